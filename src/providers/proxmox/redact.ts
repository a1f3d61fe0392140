/*
 * What Proxmox answers may echo what we sent, and what we send holds the token, cloud-init passwords and the heartbeat's
 * HMAC in the SMBIOS serial. Texts pass through here once, before they reach an error or a log.
 */
const secrets: readonly (readonly [RegExp, string])[] = [
  [/PVEAPIToken=\S+/g, 'PVEAPIToken=[redacted]'],
  [/(cipassword|password|sshkeys|serial|secret)(["']?\s*[=:]\s*["']?)[^\s,"'&;]+/gi, '$1$2[redacted]'],
  [/(![A-Za-z0-9_.-]+[=:])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, '$1[redacted]'],
];

/** The text without secrets, on one line, bounded: an error travels into histories and logs. */
export function redacted(text: string, limit = 600): string {
  let clean = text;
  for (const [pattern, instead] of secrets) clean = clean.replace(pattern, instead);
  clean = clean.replace(/\s*\n\s*/g, '; ').replace(/(; )+$/, '');
  return clean.length > limit ? `${clean.slice(0, limit)}...` : clean;
}
