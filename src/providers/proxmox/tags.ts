import { ProxmoxError } from './errors.ts';
import { tagsOf } from './guest-config.ts';
import type { GuestConfig } from './guest-config.ts';
import { tagList } from './marker.ts';
import type { Work } from './site.ts';
import { ensureConfig } from './writing.ts';

/*
 * The one writer of tags. A datacenter may keep tags to itself (`user-tag-access`, `registered-tags`) and refuses a whole
 * write for one of them. Tags are for people's eyes and the marker is what counts, so they are written by themselves,
 * without those that are refused, and never stand in the way of anything.
 */

/** Brings the tags as near to what is wanted as the datacenter allows. @throws ProxmoxError for anything but a refused tag */
export async function ensureTags(
  work: Work,
  vmid: number,
  wanted: (tags: string | undefined) => string,
): Promise<void> {
  const refused = new Set<string>();
  for (;;) {
    try {
      await ensureConfig(work, vmid, (config) => {
        const tags = allowedTags(config, wanted(config['tags']), refused);
        return tags === undefined ? undefined : { set: { tags } };
      });
      return;
    } catch (error) {
      const tag = refusedTag(error);
      if (tag === undefined) throw error;
      say(work, tag, String(error));
      // Left alone already and refused again: there is nothing more to leave out.
      if (refused.has(tag)) return;
      refused.add(tag);
    }
  }
}

/** The wanted tags, where each refused one is as it was; undefined when that is what is there. */
function allowedTags(config: GuestConfig, wanted: string, refused: ReadonlySet<string>): string | undefined {
  const now = tagsOf(config['tags']);
  const kept = now.filter((tag) => refused.has(tag));
  const tags = tagList([...tagsOf(wanted).filter((tag) => !refused.has(tag)), ...kept]);
  return tags === tagList(now) ? undefined : tags;
}

/** Proxmox names one tag at a time. */
function refusedTag(error: unknown): string | undefined {
  if (!(error instanceof ProxmoxError) || error.failureClass !== 'permission') return undefined;
  return /modifying tag '([^']*)'/.exec(error.message)?.[1];
}

function say(work: Work, tag: string, why: string): void {
  const first = work.refusedTags.size === 0;
  work.refusedTags.add(tag);
  if (!first) return;
  work.log.warn(
    { cluster: work.spec.name, tag },
    `the datacenter restricts tags; guests go without those it refuses, and nothing else changes (${why}). ` +
      'To allow them: pvesh set /cluster/options --user-tag-access user-allow=free, with no umbra tag in registered-tags',
  );
}
