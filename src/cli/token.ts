import type { Command } from 'commander';
import { makeToken, roles } from '../api/tokens.ts';
import { Ending, exitCodes } from './exit.ts';
import type { Terminal } from './terminal.ts';

export function mountToken(program: Command, terminal: Terminal): void {
  program
    .command('token')
    .description(
      'makes a bearer token: its line for api.tokensFile on standard output, the token itself on standard error',
    )
    .requiredOption('--role <role>', roles.join(', '))
    .requiredOption('--name <name>', 'whose it is; stands in every event')
    .addHelpText('after', '\nExample:\n  umbra token --role operator --name ada >> /etc/umbra/tokens')
    .action((options: { role: string; name: string }) => {
      const role = roles.find((known) => known === options.role);
      if (role === undefined)
        throw new Ending(exitCodes.usage, `--role ${options.role} is none of ${roles.join(', ')}`);
      if (!/^[\w.@-]{1,64}$/.test(options.name)) {
        throw new Ending(
          exitCodes.usage,
          `--name ${JSON.stringify(options.name)} may hold letters, digits and . _ @ -`,
        );
      }
      const { token, line } = makeToken(role, options.name);
      terminal.out(`${line}\n`);
      terminal.err(
        `${token}\nGive it to ${options.name}; it cannot be shown again. Use: UMBRA_API_TOKEN_FILE=FILE umbra list\n`,
      );
    });
}
