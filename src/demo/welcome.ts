import { demoFleet } from './fleet.ts';

/** Where to look, and what to try first. */
export function welcome(at: { dashboard: string; temporalUi: string; api: string; dns: string }): string[] {
  const [host = '', port = ''] = at.dns.split(':');
  const shop = demoFleet[0]!;
  return [
    '',
    `  Dashboard    ${at.dashboard}`,
    `  Temporal UI  ${at.temporalUi}`,
    `  API          ${at.api}/api/v1/status`,
    '',
    'Three things to try, in another terminal:',
    `  1. bin/umbra list                                what is protected, and by what`,
    `  2. bin/umbra sim fault 'node ${shop.node} off'            once shop is protected (within a minute): cut the power of its node, and watch the answer change:`,
    `     dig +short @${host} -p ${port} ${shop.names[0] ?? ''}`,
    `  3. bin/umbra sim fault 'crowd api 4x 5m'         a flash crowd: a bigger shadow, or several, take over`,
    '',
    'Ctrl-C ends everything.',
  ];
}
