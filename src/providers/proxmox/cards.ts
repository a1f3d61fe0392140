import type { GuestConfig } from './guest-config.ts';
import { properties, propertyString } from './guest-config.ts';

/** What is set on a network card; what is not named stays as it is. */
export type CardChange = { readonly mac?: string; readonly linkDown?: boolean };

const isCard = /^net\d+$/;
const macAddress = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** The cards of a guest by slot, as written. */
export function cardsOf(config: GuestConfig): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => isCard.test(key)));
}

/** A card as property string with the change made: `virtio=BC:..,bridge=vmbr0` with the link down gains `link_down=1`. */
export function cardWith(card: string, { mac, linkDown }: CardChange): string {
  const parts = Object.entries(properties(card))
    .map(([key, value]): [string, string] => [key, mac !== undefined && macAddress.test(value) ? mac : value])
    .filter(([key]) => linkDown === undefined || key !== 'link_down');
  return propertyString(Object.fromEntries(linkDown === true ? [...parts, ['link_down', '1']] : parts));
}

export function macOf(card: string): string | undefined {
  return Object.values(properties(card)).find((value) => macAddress.test(value));
}

export function isLinkDown(card: string): boolean {
  return properties(card)['link_down'] === '1';
}
