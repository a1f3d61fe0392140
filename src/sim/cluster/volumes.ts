import { failed } from '../api/refusal.ts';
import { volumeId } from '../api/formats.ts';
import type { Clock } from '../clock.ts';
import { fileBytes } from './image-file.ts';
import { isShared, pathOf } from '../world/world.ts';
import type { World, WorldStorage, WorldVolume } from '../world/world.ts';

export type VolumeFormat = 'raw' | 'qcow2' | 'vmdk';

/** `tank:9000/base-9000-disk-0.qcow2/300/vm-300-disk-0.qcow2`, taken apart. */
export type VolumeName = {
  readonly storage: string;
  readonly name: string;
  /** The part that is this volume alone, without the base it was cloned from. */
  readonly leaf: string;
  readonly base: string | undefined;
  readonly owner: number;
  readonly isBase: boolean;
  readonly format: VolumeFormat;
};

export function parseVolume(volid: string): VolumeName | undefined {
  const [, storage, name] = volumeId.exec(volid) ?? [];
  if (storage === undefined || name === undefined) return undefined;
  const file = /^(?:((?:\d+\/)?base-\d+-[^/]+)\/)?((?:\d+\/)?(vm|base|subvol)-(\d+)-[^/]+)$/.exec(name);
  if (!file) return parseFile(storage, name);
  const [, base, leaf, kind, owner] = file;
  const extension = /\.(raw|qcow2|vmdk)$/.exec(leaf!)?.[1];
  return {
    storage,
    name,
    leaf: leaf!,
    base,
    owner: Number(owner),
    isBase: kind === 'base',
    format: (extension ?? 'raw') as VolumeFormat,
  };
}

/** In the folder of a guest every image is the guest's, whatever it is called. */
function parseFile(storage: string, name: string): VolumeName | undefined {
  const [, owner, file, format] = /^(\d+)\/([^/\s]+\.(raw|qcow2|vmdk))$/.exec(name) ?? [];
  if (file === undefined) return undefined;
  const isBase = file.startsWith('base-');
  return { storage, name, leaf: name, base: undefined, owner: Number(owner), isBase, format: format as VolumeFormat };
}

/** What an image of a guest is called once others are linked to it. */
export const baseName = (name: string, vmid: number): string =>
  name.replace(new RegExp(`vm-(${vmid}-[^/]+)$`), 'base-$1');

/** What a volume's name says it is: an image of a guest, or a file in one of the folders for other things. */
export function volumeParts(volid: string): { storage: string; name: string; content: string | undefined } | undefined {
  const [, storage, name] = volumeId.exec(volid) ?? [];
  if (storage === undefined || name === undefined) return undefined;
  const folder = /^(iso|vztmpl|backup|snippets|import)\/[^/]+$/.exec(name)?.[1];
  return { storage, name, content: folder ?? (parseVolume(volid) ? 'images' : undefined) };
}

/** Whose backup an archive is, by its name. */
export const archiveOwner = (volid: string): number | undefined => {
  const vmid = /:backup\/vzdump-(?:qemu|lxc)-(\d+)-/.exec(volid)?.[1];
  return vmid === undefined ? undefined : Number(vmid);
};

/** Folders of a storage of files, by what is in them. */
const folders: Readonly<Record<string, string>> = {
  images: 'images',
  iso: 'template/iso',
  vztmpl: 'template/cache',
  backup: 'dump',
  snippets: 'snippets',
  import: 'import',
};

/** The volumes of a cluster and what its kinds of storage can do with them. */
export class Volumes {
  readonly #world: World;
  /** Storages somebody pulled the plug of, or filled up. */
  readonly offline = new Set<string>();
  readonly full = new Set<string>();

  readonly #clock: Clock;
  readonly #foundAt: number;

  constructor(world: World, clock: Clock) {
    this.#world = world;
    this.#clock = clock;
    this.#foundAt = Math.floor(clock.now() / 1000);
  }

  storage(id: string): WorldStorage {
    const storage = this.#world.storages.get(id);
    if (!storage) throw failed(`storage '${id}' does not exist`);
    return storage;
  }

  /** The storage, when it is enabled and meant for this node. */
  enabledStorage(id: string, node: string): WorldStorage {
    const storage = this.storage(id);
    if (storage.options['disable'] === '1') throw failed(`storage '${id}' is disabled`);
    const nodes = storage.options['nodes'];
    if (nodes !== undefined && !nodes.split(/[,;\s]+/).includes(node)) {
      throw failed(`storage '${id}' is not available on node '${node}'`);
    }
    return storage;
  }

  /** As `enabledStorage`, and it answers. */
  activeStorage(id: string, node: string): WorldStorage {
    const storage = this.enabledStorage(id, node);
    if (this.offline.has(id)) throw failed(`storage '${id}' is not online`);
    return storage;
  }

  contentOf(storage: WorldStorage): string[] {
    return (storage.options['content'] ?? 'images,rootdir').split(/[,;\s]+/).filter(Boolean);
  }

  #here(storage: string, node: string): WorldVolume[] {
    const shared = isShared(this.storage(storage));
    return this.#world.volumes.filter((volume) => volume.storage === storage && (shared || volume.node === node));
  }

  find(volid: string, node: string): WorldVolume | undefined {
    const name = parseVolume(volid);
    if (!name || !this.#world.storages.has(name.storage)) return undefined;
    return this.#here(name.storage, node).find(
      (volume) => parseVolume(`${volume.storage}:${volume.name}`)?.leaf === name.leaf,
    );
  }

  /** A volume of any kind, images and other files. */
  findFile(volid: string, node: string): WorldVolume | undefined {
    const found = this.find(volid, node);
    if (found) return found;
    const [storage, name] = [volid.slice(0, volid.indexOf(':')), volid.slice(volid.indexOf(':') + 1)];
    return this.#here(storage, node).find((volume) => volume.name === name);
  }

  /** Seconds since 1970. */
  ctimeOf(volume: WorldVolume): number {
    return volume.ctime ?? this.#foundAt;
  }

  /** Bytes that the file of an image takes; blocks have no such figure. */
  usedOf(volume: WorldVolume): number | undefined {
    const image = parseVolume(`${volume.storage}:${volume.name}`);
    if (!image || pathOf(this.storage(volume.storage)) === undefined) return undefined;
    return fileBytes(image, volume.bytes, this.#world.guests.get(image.owner)?.config.current);
  }

  /** Where a volume is on its node; blocks are devices. */
  pathTo(volid: string): string {
    const { storage, name, content } = volumeParts(volid)!;
    const at = pathOf(this.storage(storage));
    if (at === undefined) return `/dev/${storage}/${name}`;
    const file = content === 'images' ? parseVolume(volid)!.leaf : name.slice(name.indexOf('/') + 1);
    return `${at}/${folders[content ?? 'images']!}/${file}`;
  }

  onNode(storage: string, node: string): readonly WorldVolume[] {
    return this.#here(storage, node);
  }

  usedBytes(storage: WorldStorage, node: string): number {
    if (this.full.has(storage.id)) return storage.totalBytes;
    return Math.min(
      storage.totalBytes,
      this.#here(storage.id, node).reduce(
        (sum, volume) =>
          sum + (parseVolume(`${volume.storage}:${volume.name}`)?.base ? volume.bytes / 20 : volume.bytes),
        0,
      ),
    );
  }

  /** `linked`: a clone that shares the base's blocks; `snapshot`: taking one; `copy`: of what is, or was then. */
  can(feature: 'linked' | 'snapshot' | 'copy', volid: string, ofSnapshot = false): boolean {
    const name = parseVolume(volid);
    if (!name) return false;
    const { type } = this.storage(name.storage);
    const files = pathOf(this.storage(name.storage)) !== undefined;
    if (feature === 'copy') return !ofSnapshot || !files || name.format === 'qcow2';
    if (feature === 'snapshot')
      return files ? name.format === 'qcow2' : ['lvmthin', 'zfspool', 'rbd', 'zfs', 'btrfs'].includes(type);
    if (ofSnapshot) return ['lvmthin', 'rbd'].includes(type);
    if (!name.isBase) return false;
    return files || ['lvmthin', 'zfspool', 'rbd', 'zfs', 'btrfs'].includes(type);
  }

  /** Formats a storage can hold; the first is what it makes by itself. */
  formatsOf(storage: WorldStorage): VolumeFormat[] {
    return pathOf(storage) === undefined ? ['raw'] : ['raw', 'qcow2', 'vmdk'];
  }

  /** The name the next volume of a guest gets: the lowest number free on that storage. */
  nextName(storage: WorldStorage, node: string, vmid: number, format: VolumeFormat, kind = 'disk'): string {
    const taken = new Set(
      this.#here(storage.id, node).map((volume) =>
        parseVolume(`${volume.storage}:${volume.name}`)
          ?.leaf.split('/')
          .at(-1)
          ?.replace(/\.\w+$/, ''),
      ),
    );
    const place = (stem: string): string => (pathOf(storage) === undefined ? stem : `${vmid}/${stem}.${format}`);
    if (kind !== 'disk') return place(`vm-${vmid}-${kind}`);
    for (let n = 0; ; n += 1) {
      if (!taken.has(`vm-${vmid}-disk-${n}`) && !taken.has(`base-${vmid}-disk-${n}`))
        return place(`vm-${vmid}-disk-${n}`);
    }
  }

  /** Takes the space, or says why not in the storage's words. */
  allocate(storage: WorldStorage, node: string, name: string, bytes: number): WorldVolume {
    this.activeStorage(storage.id, node);
    if (this.find(`${storage.id}:${name}`, node)) {
      throw failed(
        pathOf(storage) === undefined
          ? `volume '${storage.id}:${name}' already exists`
          : `disk image '${pathOf(storage)!}/images/${name}' already exists`,
      );
    }
    const free = storage.totalBytes - this.usedBytes(storage, node);
    if (bytes > free) {
      throw failed(
        pathOf(storage) === undefined
          ? `not enough free space (${Math.floor(free)} < ${bytes})`
          : `unable to create image: No space left on device`,
      );
    }
    const ctime = Math.floor(this.#clock.now() / 1000);
    const volume: WorldVolume = { storage: storage.id, name, node, bytes, ctime };
    this.#world.volumes.push(volume);
    return volume;
  }

  free(volume: WorldVolume): void {
    this.#world.volumes = this.#world.volumes.filter((other) => other !== volume);
  }

  /** Linked clones of a base volume. */
  childrenOf(volid: string, node: string): readonly WorldVolume[] {
    const name = parseVolume(volid);
    if (!name) return [];
    return this.#here(name.storage, node).filter(
      (volume) => parseVolume(`${volume.storage}:${volume.name}`)?.base === name.name,
    );
  }

  /** Every volume that carries a guest's id, on any enabled storage a node can see. */
  ownedBy(vmid: number, node: string): readonly WorldVolume[] {
    return [...this.#world.storages.keys()]
      .flatMap((storage) => this.#here(storage, node))
      .filter((volume) => parseVolume(`${volume.storage}:${volume.name}`)?.owner === vmid);
  }

  move(vmid: number, from: string, to: string): void {
    this.#world.volumes = this.#world.volumes.map((volume) =>
      volume.node === from &&
      this.#world.storages.has(volume.storage) &&
      !isShared(this.storage(volume.storage)) &&
      parseVolume(`${volume.storage}:${volume.name}`)?.owner === vmid
        ? { ...volume, node: to }
        : volume,
    );
  }

  rename(volume: WorldVolume, name: string): WorldVolume {
    const renamed = { ...volume, name };
    this.#world.volumes = this.#world.volumes.map((other) => (other === volume ? renamed : other));
    return renamed;
  }
}

/** `256M`, as drives carry their size. */
export function formatSize(bytes: number): string {
  const units = ['', 'K', 'M', 'G', 'T'];
  let value = bytes;
  let unit = 0;
  while (unit < units.length - 1 && value >= 1024 && Number.isInteger(value / 1024)) {
    value /= 1024;
    unit += 1;
  }
  return `${value}${units[unit]!}`;
}

export function parseSize(text: string): number {
  const [, value, unit] = /^(\d+(?:\.\d+)?)([KMGT])?$/.exec(text) ?? [];
  return Math.floor(Number(value ?? 0) * 1024 ** ' KMGT'.indexOf(unit ?? ' '));
}

/** `256.0 MiB`, as the copying of disks reports its progress. */
export function humanBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]!}`;
}
