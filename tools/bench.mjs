import { existsSync, readdirSync } from 'node:fs';
import { bootstrap } from './bootstrap.mjs';
import { root, say } from './run.mjs';

// `npm run bench -- NAME [arguments]`: runs bench/NAME.ts; without a name it lists them.
await bootstrap();

const folder = new URL('bench/', root);
const names = existsSync(folder)
  ? readdirSync(folder)
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.slice(0, -'.ts'.length))
      .sort()
  : [];
const [name, ...args] = process.argv.slice(2);

if (name === undefined) {
  say(`npm run bench -- NAME, where NAME is one of: ${names.join(', ')}`);
} else if (!names.includes(name)) {
  say(`There is no benchmark ${name}. There are: ${names.join(', ')}`);
  process.exitCode = 2;
} else {
  (await import('tsx/esm/api')).register();
  const benchmark = await import(new URL(`${name}.ts`, folder).href);
  try {
    await benchmark.run(args);
  } catch (error) {
    say(`bench ${name}: ${error instanceof Error ? error.stack : String(error)}`);
    process.exitCode = 1;
  }
}
