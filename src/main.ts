import { run } from './cli/program.ts';
import { realTerminal } from './cli/terminal.ts';

// `umbra list | head -1` closes the pipe early, which is no reason to complain.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const code = await run(process.argv.slice(2), realTerminal());
// Whatever is still open (a keep-alive socket, a thread) must not hold the prompt; what was printed must arrive.
process.stdout.write('', () => process.exit(code));
