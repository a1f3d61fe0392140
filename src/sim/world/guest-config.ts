import { createHash } from 'node:crypto';

/** Options of one section of a guest's configuration file, as written there. */
export type Options = Record<string, string>;

/**
 * A guest's configuration as Proxmox keeps it in `/etc/pve`: the current options, what waits for a restart, and one
 * section for each snapshot. Everything is text here; types belong to the API.
 */
export type GuestConfig = {
  current: Options;
  pending: Options;
  /** Options that go away at the next restart; a value of true frees the disk too. */
  pendingDelete: Map<string, boolean>;
  snapshots: Map<string, Options>;
  /** What the running guest's cloud-init image says, where the options have changed since; `added` were not in it. */
  cloudInit?: { said: Options; added: Set<string> } | undefined;
};

export const emptyConfig = (current: Options = {}): GuestConfig => ({
  current,
  pending: {},
  pendingDelete: new Map(),
  snapshots: new Map(),
});

/** Reads a `.conf`. Lines that start with `#` are the description of their section, percent-encoded. */
export function parseGuestConfig(text: string): GuestConfig {
  const config = emptyConfig();
  let section = config.current;
  let comment: string[] = [];
  const finish = (): void => {
    if (comment.length > 0) section['description'] = comment.map((line) => decodeURIComponent(line)).join('\n');
    comment = [];
  };
  for (const line of text.split('\n')) {
    const head = /^\[(?:special:)?([^\]]+)\]\s*$/.exec(line);
    if (head) {
      finish();
      section = {};
      if (/^PENDING$/i.test(head[1]!)) section = config.pending;
      else if (!line.startsWith('[special:')) config.snapshots.set(head[1]!, section);
      continue;
    }
    if (line.startsWith('#')) {
      comment.push(line.slice(1));
      continue;
    }
    const option = /^([a-z][\w-]*):\s*(.*?)\s*$/i.exec(line);
    if (!option) continue;
    if (section === config.pending && option[1] === 'delete') {
      for (const word of option[2]!.split(/[,;\s]+/).filter(Boolean)) {
        config.pendingDelete.set(word.replace(/^!/, ''), word.startsWith('!'));
      }
    } else if (option[1] === 'description') section['description'] = decodeURIComponent(option[2]!);
    else section[option[1]!] = option[2]!;
  }
  finish();
  return config;
}

const encodeLine = (line: string): string => line.replaceAll('%', '%25').replaceAll('\r', '%0D');

function formatSection(options: Options): string {
  const { description, ...rest } = options;
  const comment =
    description === undefined
      ? ''
      : description
          .split('\n')
          .map((line) => `#${encodeLine(line)}\n`)
          .join('');
  const lines = Object.keys(rest)
    .sort()
    .map((key) => `${key}: ${rest[key]!}\n`);
  return comment + lines.join('');
}

/** The file of a configuration; what `digest` is the SHA-1 of. */
export function formatGuestConfig(config: GuestConfig): string {
  let text = formatSection(config.current);
  if (Object.keys(config.pending).length > 0 || config.pendingDelete.size > 0) {
    const deletions = [...config.pendingDelete].map(([key, force]) => (force ? `!${key}` : key)).join(',');
    text += `\n[PENDING]\n${formatSection(config.pending)}${deletions ? `delete: ${deletions}\n` : ''}`;
  }
  for (const [name, options] of [...config.snapshots].sort()) text += `\n[${name}]\n${formatSection(options)}`;
  return text;
}

export const digestOf = (config: GuestConfig): string =>
  createHash('sha1').update(formatGuestConfig(config)).digest('hex');
