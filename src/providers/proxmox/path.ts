import { ProviderError } from '../../ports/errors.ts';

/*
 * proxmox-api escapes only `/` in a path parameter: `..` would be normalised away by the URL parser and turn a guest's
 * call into its node's, `?` and `#` would cut the path. So every segment is checked before anything is sent.
 */
const segment = /^[A-Za-z0-9_][A-Za-z0-9_.:@!+~-]*$/;

/** The path below the host, as it goes on the wire. @throws ProviderError invalid when a segment could mean something else */
export function checkedPath(path: string): string {
  for (const part of path.split('/').slice(1)) {
    if (!segment.test(part)) {
      throw new ProviderError({
        provider: 'proxmox',
        operation: 'address',
        target: JSON.stringify(part),
        failureClass: 'invalid',
        message: `this cannot be part of an API path; expected letters, digits and _.:@!+~-`,
      });
    }
  }
  return path;
}

/** `pve1` of `/api2/json/nodes/pve1/qemu/9000/clone`; undefined for calls that concern no single node. */
export function nodeOf(path: string): string | undefined {
  const parts = path.split('/');
  const at = parts.indexOf('nodes');
  return at === -1 ? undefined : parts[at + 1];
}

/** `VM 9000 on pve1`, `node pve1`, `cluster`: what a call is about, for people. */
export function targetOf(path: string): string {
  const parts = path.split('/');
  const node = nodeOf(path);
  const qemu = parts.indexOf('qemu');
  const vmid = qemu === -1 ? undefined : parts[qemu + 1];
  if (vmid !== undefined) return `VM ${vmid} on ${node ?? '?'}`;
  return node === undefined ? 'cluster' : `node ${node}`;
}
