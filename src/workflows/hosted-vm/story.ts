import {
  CancellationScope,
  condition,
  isCancellation,
  setCurrentDetails,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { HostedVmState } from '../../domain/hosted-vm.ts';
import { cardOf } from '../../domain/hosted-vm/card.ts';
import type { SideWork } from '../../domain/hosted-vm/next-step.ts';
import type { HostedVmInput } from '../../domain/hosted-vm/messages.ts';
import { adoptingState } from '../../domain/hosted-vm/begin.ts';
import { attributesOf, changedAttributes } from '../../domain/search-attributes.ts';
import type { SearchAttributeValues } from '../../domain/search-attributes.ts';

/** What one run of a hosted VM's workflow holds beside the state that it carries on. */
export type Story = {
  state: HostedVmState;
  /** Something has happened since the story last looked. */
  moved: boolean;
  /** Work that runs beside the story, by name. */
  readonly busy: Map<SideWork, CancellationScope>;
  /** The view the store has, for comparison. */
  projected: string;
  published: SearchAttributeValues;
};

export function beginStory(input: HostedVmInput): Story {
  const state = input.state ?? adoptingState(input.spec, input.revision, input.quorum ?? 2, Date.now());
  return { state, moved: false, busy: new Map(), projected: '', published: {} };
}

/** The only way the state changes. */
export function become(story: Story, state: HostedVmState): void {
  if (state === story.state) return;
  story.state = state;
  story.moved = true;
}

/** Card and search attributes in the Temporal UI; attributes only when they changed: each upsert is an event. */
export function publish(story: Story): void {
  setCurrentDetails(cardOf(story.state, Date.now()));
  const wanted = attributesOf(story.state);
  const changes = changedAttributes(story.published, wanted);
  if (changes.length > 0) upsertSearchAttributes(changes);
  story.published = wanted;
}

/** Runs work beside the story, at most once at a time under this name. It must handle the world's failures itself. */
export function beside(story: Story, name: SideWork, work: () => Promise<void>): void {
  if (story.busy.has(name)) return;
  const scope = new CancellationScope();
  story.busy.set(name, scope);
  void scope
    .run(work)
    .catch((error: unknown) => {
      if (!isCancellation(error)) throw error;
    })
    .finally(() => {
      story.busy.delete(name);
      story.moved = true;
    });
}

/** Ends work beside the story that must not go on; resolved once it has ended. */
export async function callOff(story: Story, name: SideWork): Promise<void> {
  story.busy.get(name)?.cancel();
  await condition(() => !story.busy.has(name));
}
