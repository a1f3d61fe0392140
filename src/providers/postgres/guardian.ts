import { spawn } from 'node:child_process';
import { platform } from 'node:os';

/**
 * Waits on a pipe that closes when this process ends, then stops the server and removes its temporary folders.
 * A line on the pipe sends it away: the server was stopped in order.
 */
const script = `
trap '' INT TERM HUP
if read -r line; then exit 0; fi
server="$1"; shift
kill -INT "$server" 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  kill -0 "$server" 2>/dev/null || break
  sleep 0.5
done
for folder in "$@"; do rm -rf -- "$folder"; done
`;

/** Sees to it that a server does not outlive us, even when we are killed. */
export function watchOver(pid: number, temporaryFolders: readonly string[]): { dismiss(): void } {
  if (platform() === 'win32') return { dismiss: () => undefined };
  const guardian = spawn('/bin/sh', ['-c', script, 'umbra-guardian', String(pid), ...temporaryFolders], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  guardian.on('error', () => undefined);
  guardian.stdin.on('error', () => undefined);
  guardian.unref();
  (guardian.stdin as unknown as { unref(): void }).unref();
  return { dismiss: () => guardian.stdin.end('done\n') };
}
