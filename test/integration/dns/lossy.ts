import { createSocket } from 'node:dgram';

/**
 * A UDP way to a server that can lose answers to updates (`loseAnswers`), or updates themselves (`loseUpdates`).
 * Questions always pass.
 */
export async function lossyPath(server: { readonly port: number }): Promise<{
  readonly host: string;
  readonly port: number;
  lose: { answers: boolean; updates: boolean };
  readonly lost: () => number;
  close(): void;
}> {
  const lose = { answers: false, updates: false };
  let lost = 0;
  const front = createSocket('udp4');
  const backs = new Set<ReturnType<typeof createSocket>>();
  front.on('message', (request, from) => {
    const isUpdate = (((request[2] ?? 0) >> 3) & 0xf) === 5;
    if (isUpdate && lose.updates) {
      lost += 1;
      return;
    }
    const back = createSocket('udp4');
    backs.add(back);
    back.on('message', (reply) => {
      if (isUpdate && lose.answers) lost += 1;
      else front.send(reply, from.port, from.address);
    });
    back.send(request, server.port, '127.0.0.1');
  });
  await new Promise<void>((resolve) => front.bind(0, '127.0.0.1', resolve));
  return {
    host: '127.0.0.1',
    port: front.address().port,
    lose,
    lost: () => lost,
    close() {
      front.close();
      backs.forEach((back) => back.close());
    },
  };
}
