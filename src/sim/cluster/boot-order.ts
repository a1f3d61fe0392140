/** What `boot` says of devices in their order; a guest of nothing has a blank, because nothing would be no option. */
export const bootOrderOf = (devices: readonly string[]): string =>
  devices.length === 0 ? ' ' : `order=${devices.join(';')}`;
