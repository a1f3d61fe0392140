import { isSeq, parseDocument } from 'yaml';
import type { Node, YAMLSeq } from 'yaml';
import type { Candidate } from './candidates.ts';
import type { LeftOut } from './leads.ts';
import { storageClassPlaceholder } from './schema.ts';
import type { ProposedCheck, Seen } from './seen.ts';

/**
 * The inventory of candidates: what was at hand, with one hosted VM more for each candidate. Everything in it is valid but the
 * storage class, which nobody can see from outside. Pure.
 * @param base an inventory, with or without `hostedVms`; its comments stay
 */
export function inventoryOfCandidates(
  base: string,
  seen: Seen,
  candidates: readonly Candidate[],
  leftOut: readonly LeftOut[],
): string {
  const severalClusters = severalIn(base);
  const items = candidates.flatMap((each) => candidateLines(each, severalClusters ? seen.cluster : undefined));
  const head = [...summary(seen, candidates), ...notRead(seen), ...others(seen, leftOut)].map(
    (line) => `# ${oneLine(line)}`,
  );
  return `${head.join('\n')}\n\n${withHostedVms(base, items)}`;
}

function summary({ at, cluster, nodes, guests, storages }: Seen, candidates: readonly Candidate[]): string[] {
  const templates = guests.filter(({ template }) => template);
  const pools = [...new Set(guests.flatMap(({ pool }) => (pool === undefined ? [] : [pool])))];
  const off = nodes.filter(({ online }) => !online).map(({ node }) => `${node} is off`);
  return [
    `${counted(candidates.length, 'candidate')} on cluster ${cluster}, seen at ${new Date(at).toISOString()} by umbra discover. Nothing was changed anywhere.`,
    'Of each: choose the storageClass, replace the capacity by what was measured, read the remarks. Then:',
    '  umbra doctor; umbra apply -f THIS_FILE --dry-run',
    `Seen: ${counted(nodes.length, 'node')} (${[...nodes.map(({ node }) => node), ...off].join(', ')}), ${counted(guests.length - templates.length, 'guest')}, ${counted(templates.length, 'template')}`,
    ...templates.map(
      ({ vmid, name, node }) => `  template ${vmid} ${name} on ${node}: source: ${vmid} clones shadows from it`,
    ),
    `Storages for disks: ${storages.map(({ storage, shared }) => `${storage}${shared ? ' (shared)' : ''}`).join(', ') || 'none that this token sees'}`,
    `Pools: ${pools.join(', ') || 'none with a guest that this token sees'}`,
  ];
}

function notRead({ unread }: Seen): string[] {
  return unread.length === 0 ? [] : ['Not read:', ...unread.map((each) => `  ${each}`)];
}

function others({ cluster }: Seen, leftOut: readonly LeftOut[]): string[] {
  if (leftOut.length === 0) return [];
  return [`Other guests of ${cluster}:`, ...leftOut.map((each) => `  ${leftOutWords(each)}`)];
}

export function leftOutWords({ vmid, name, why }: LeftOut): string {
  return `VM ${vmid} ${name}: ${why}`;
}

function candidateLines(candidate: Candidate, cluster: string | undefined): string[] {
  const { id, lead, check, silent, capacity } = candidate;
  const { guest, address, names, notes } = lead;
  const size = `${counted(guest.cores, 'core')}, ${guest.memoryMiB} MiB${guest.pool === undefined ? '' : `, pool ${guest.pool}`}`;
  const place = cluster === undefined ? '' : `cluster: ${cluster}, `;
  return [
    `# VM ${guest.vmid} ${guest.name} on ${guest.node} (${size}); ${address.address} by ${address.from}`,
    ...notes.map((note) => `# ${note}`),
    ...(check === undefined ? unanswered(address.address, silent) : []),
    `- id: ${id}`,
    `  names: [${names.map((name) => JSON.stringify(name)).join(', ')}]`,
    `  primary: { ${place}vmid: ${guest.vmid}, address: ${address.address} }`,
    `  capacity: ${capacity.qps} # q/s; ${capacity.how}`,
    `  storageClass: ${storageClassPlaceholder} # stateless: any copy may serve, even two at once; pinned: only watched`,
    // Whatever the inventory's defaults say: what is new is watched first.
    '  policy: { mode: observe }',
    ...(check === undefined
      ? []
      : [
          '  checks:',
          `    - ${checkText(check.check)} # answered just now: ${check.detail}${caution(check.check, address.address)}`,
        ]),
  ].map(oneLine);
}

function checkText({ kind, port, path, tls }: ProposedCheck): string {
  if (kind === 'tcp') return `{ kind: tcp, port: ${port} }`;
  return `{ kind: http, port: ${port}, path: ${JSON.stringify(path ?? '/')}${tls === true ? ', tls: true' : ''} }`;
}

function caution({ kind, port }: ProposedCheck, address: string): string {
  if (kind === 'http') return '';
  if (port === 22) return `; SSH answers on a machine whose service is dead: find a better check on ${address}`;
  return '; it only connects: an HTTP path that says 200 tells more';
}

function unanswered(address: string, silent: Candidate['silent']): string[] {
  const tried = silent.map(({ detail }) => detail).join('; ');
  return [
    `no check answered on ${address} (${tried === '' ? 'none was tried' : tried}): write one that does under checks;`,
    'until then the checks of defaults: count, or HTTP GET / on port 80 where there are none',
  ].map((line) => `# ${line}`);
}

function withHostedVms(base: string, items: readonly string[]): string {
  const text = base.trimEnd();
  const document = parseDocument(text);
  const list = items.length === 0 ? 'hostedVms: []' : `hostedVms:\n${items.map((line) => `  ${line}`).join('\n')}`;
  const there = document.get('hostedVms', true);
  if (!document.has('hostedVms')) return `${text}\n\n${list}\n`;
  if (items.length === 0) return `${text}\n`;
  const more = parseDocument(list).get('hostedVms', true) as YAMLSeq<Node>;
  // A comment before the first item belongs to the list when it is read; it goes with the item.
  const [first] = more.items;
  if (first !== undefined && more.commentBefore != null) first.commentBefore = more.commentBefore;
  if (isSeq(there) && there.items.length > 0) {
    there.flow = false;
    there.items.push(...more.items);
  } else document.set('hostedVms', more);
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

function severalIn(base: string): boolean {
  const clusters = parseDocument(base).get('clusters', true);
  return isSeq(clusters) && clusters.items.length > 1;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Names of guests and errors come from elsewhere: none of them may end a comment. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}
