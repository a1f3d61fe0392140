import type { World } from '../../src/sim/world/world.ts';

/** Carries out the `pveum` commands that a refusal names, as root would in a shell. @throws when one is not understood */
export function runPveum(world: World, commands: string): void {
  for (const command of commands.split(/&&|;/).map((one) => one.trim())) {
    const [tool, noun, verb, subject = '', ...rest] = command.replaceAll("'", '').split(/\s+/);
    const option = (name: string): string => rest[rest.indexOf(`--${name}`) + 1] ?? '';
    switch (`${tool ?? ''} ${noun ?? ''} ${verb ?? ''}`) {
      case 'pveum role add':
        if (!world.roles.has(subject)) world.roles.set(subject, new Set());
        break;
      case 'pveum role modify':
        world.roles.get(subject)!.add(option('privs'));
        break;
      case 'pveum acl modify': {
        const who = rest.includes('--tokens') ? option('tokens') : option('users');
        const propagate = !rest.includes('--propagate') || option('propagate') === '1';
        world.acls.push({ path: subject, propagate, who, role: option('roles') });
        break;
      }
      default:
        throw new Error(`not a command of pveum: ${command}`);
    }
  }
}
