/** Virtual time: what happens when. Things due at one instant happen in the order they were asked for. */
export class Timetable {
  now: number;
  #asked = 0;
  #due: { readonly at: number; readonly order: number; readonly happen: () => void }[] = [];

  constructor(start: number) {
    this.now = start;
  }

  at(at: number, happen: () => void): void {
    this.#asked += 1;
    this.#due.push({ at: Math.max(at, this.now), order: this.#asked, happen });
    this.#due.sort((left, right) => left.at - right.at || left.order - right.order);
  }

  after(ms: number, happen: () => void): void {
    this.at(this.now + ms, happen);
  }

  /** Goes to what is due next. @returns false when nothing is due until then: time stands at `until` */
  step(until: number): boolean {
    const next = this.#due[0];
    if (next === undefined || next.at > until) {
      this.now = until;
      return false;
    }
    this.#due.shift();
    this.now = next.at;
    next.happen();
    return true;
  }
}
