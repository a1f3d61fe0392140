import { startCollector } from '../../../src/collector/collector.ts';
import { openDemandStore } from '../../../src/providers/postgres/demand.ts';
import { openSql } from '../../../src/providers/postgres/pool.ts';

/** A collector of its own, to be killed: `{postgresUrl, spoolDir, socket, names}` as JSON in the first argument. */
const { postgresUrl, spoolDir, socket, names } = JSON.parse(process.argv[2]!) as {
  postgresUrl: string;
  spoolDir: string;
  socket: string;
  names: string[];
};
const sql = openSql(postgresUrl);
const collector = await startCollector({
  edge: 'north',
  listen: { unix: socket },
  store: openDemandStore(sql),
  spoolDir,
  names: (listener) => {
    listener(names.map((name) => ({ hostedVmId: name, names: [name], ttlSeconds: 30 })));
    return () => undefined;
  },
});
process.once('SIGTERM', () => {
  void collector
    .close()
    .then(() => sql.close())
    .then(() => process.exit(0));
});
process.stdout.write('ready\n');
