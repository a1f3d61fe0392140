import type { Proxmox } from 'proxmox-api';
import { proxmoxApi } from 'proxmox-api';
import { z } from 'zod';
import * as answers from './answers.ts';
import type { CallContext, ProxmoxEngine } from './engine.ts';
import { ProxmoxError } from './errors.ts';
import type { GuestConfig } from './guest-config.ts';
import { guestConfig } from './guest-config.ts';

export type ConfigChange = {
  readonly set: Readonly<Record<string, string | number>>;
  readonly delete?: readonly string[];
};

export type CloneParameters = {
  readonly newid: number;
  readonly name: string;
  readonly description: string;
  readonly pool?: string;
  readonly snapname?: string;
  readonly storage?: string;
  readonly full?: boolean;
  readonly target?: string;
};

/** Every call Umbra makes, one line each, its answer validated. Writes that fork return the UPID of their task. */
export class Calls {
  readonly #engine: ProxmoxEngine;
  readonly #api: Proxmox.Api;

  constructor(engine: ProxmoxEngine) {
    this.#engine = engine;
    this.#api = proxmoxApi(engine);
  }

  with(context: CallContext): Calls {
    return new Calls(this.#engine.with(context));
  }

  async version() {
    return checked(answers.version, 'version', await this.#api.version.$get());
  }

  async resources() {
    return checked(answers.resources, 'cluster resources', await this.#api.cluster.resources.$get());
  }

  async guestResources() {
    return checked(answers.resources, 'cluster resources', await this.#api.cluster.resources.$get({ type: 'vm' }));
  }

  async clusterStatus() {
    return checked(answers.clusterStatus, 'cluster status', await this.#api.cluster.status.$get());
  }

  async managerStatus() {
    return checked(answers.managerStatus, 'HA manager status', await this.#api.cluster.ha.status.manager_status.$get());
  }

  async haStatus() {
    return checked(answers.haStatus, 'HA status', await this.#api.cluster.ha.status.current.$get());
  }

  async setHaState(vmid: number, state: 'ignored' | 'started' | 'stopped'): Promise<void> {
    await this.#api.cluster.ha.resources.$(`vm:${vmid}`).$put({ state });
  }

  /** @returns true when no guest of any kind on any node has this VMID */
  async vmidIsFree(vmid: number): Promise<boolean> {
    try {
      checked(answers.nextId, 'next VMID', await this.#api.cluster.nextid.$get({ vmid }));
      return true;
    } catch (error) {
      if (error instanceof ProxmoxError && error.failureClass === 'exists') return false;
      throw error;
    }
  }

  async permissions() {
    return checked(answers.permissions, 'permissions', await this.#api.access.permissions.$get());
  }

  /** What it will have once pending changes are applied. */
  async config(node: string, vmid: number): Promise<GuestConfig> {
    return guestConfig(checked(answers.config, 'configuration', await this.#guest(node, vmid).config.$get()));
  }

  /** What a clone made now would take: the snapshot's, or the current values without what is pending. */
  async configToClone(node: string, vmid: number, snapshot: string | undefined): Promise<GuestConfig> {
    const of = snapshot === undefined ? { current: true } : { snapshot };
    return guestConfig(checked(answers.config, 'configuration', await this.#guest(node, vmid).config.$get(of)));
  }

  /** Synchronous; refused when the configuration is no longer the one with this digest. */
  async changeConfig(node: string, vmid: number, change: ConfigChange, digest: string | undefined): Promise<void> {
    await this.#guest(node, vmid).config.$put({
      ...change.set,
      ...(change.delete === undefined || change.delete.length === 0 ? {} : { delete: change.delete.join(',') }),
      ...(digest === undefined ? {} : { digest }),
    });
  }

  async status(node: string, vmid: number) {
    return checked(answers.currentStatus, 'status', await this.#guest(node, vmid).status.current.$get());
  }

  async clone(node: string, source: number, parameters: CloneParameters): Promise<string> {
    return checked(answers.upid, 'clone', await this.#guest(node, source).clone.$post(parameters));
  }

  async start(node: string, vmid: number): Promise<string> {
    return checked(answers.upid, 'start', await this.#guest(node, vmid).status.start.$post());
  }

  /** `overrules` aborts a running shutdown instead of waiting for its lock; Proxmox refuses it for what HA manages. */
  async stop(node: string, vmid: number, overrules: boolean): Promise<string> {
    const parameters: Record<string, unknown> = overrules ? { 'overrule-shutdown': true } : {};
    return checked(answers.upid, 'stop', await this.#guest(node, vmid).status.stop.$post(parameters));
  }

  async shutdown(node: string, vmid: number, timeoutSeconds: number): Promise<string> {
    return checked(
      answers.upid,
      'shutdown',
      await this.#guest(node, vmid).status.shutdown.$post({ timeout: timeoutSeconds, forceStop: true }),
    );
  }

  async suspend(node: string, vmid: number, toDisk: boolean): Promise<string> {
    const parameters = toDisk ? { todisk: true } : {};
    return checked(answers.upid, 'suspend', await this.#guest(node, vmid).status.suspend.$post(parameters));
  }

  async resume(node: string, vmid: number): Promise<string> {
    return checked(answers.upid, 'resume', await this.#guest(node, vmid).status.resume.$post());
  }

  /** An absolute size: sending it twice is sending it once. */
  async resize(node: string, vmid: number, disk: string, sizeGiB: number): Promise<string | null> {
    return checked(
      answers.upidOrNull,
      'resize',
      await this.#guest(node, vmid).resize.$put({ disk: disk as 'scsi0', size: `${sizeGiB}G` }),
    );
  }

  /** Copies a disk and frees the old one; refused when the configuration is no longer the one with this digest. */
  async moveDisk(
    node: string,
    vmid: number,
    disk: string,
    to: { readonly storage: string; readonly format?: 'raw' | 'qcow2' },
    digest: string | undefined,
  ): Promise<string> {
    return checked(
      answers.upid,
      'disk move',
      await this.#guest(node, vmid).move_disk.$post({
        disk: disk as 'scsi0',
        delete: true,
        ...to,
        ...(digest === undefined ? {} : { digest }),
      }),
    );
  }

  async destroy(node: string, vmid: number, unreferencedDisks: boolean): Promise<string> {
    return checked(
      answers.upid,
      'delete',
      await this.#guest(node, vmid).$delete({ purge: true, 'destroy-unreferenced-disks': unreferencedDisks }),
    );
  }

  async addToPool(pool: string, vmid: number): Promise<void> {
    await this.#api.pools.$put({ poolid: pool, vms: String(vmid) });
  }

  async taskStatus(upid: string) {
    return checked(answers.taskStatus, 'task status', await this.#task(upid).status.$get());
  }

  async taskLog(upid: string, limit: number) {
    return checked(answers.taskLog, 'task log', await this.#task(upid).log.$get({ limit }));
  }

  async tasksOf(node: string, vmid: number, source: 'active' | 'archive' | 'all') {
    return checked(answers.taskList, 'task list', await this.#api.nodes.$(node).tasks.$get({ vmid, source }));
  }

  async agentPing(node: string, vmid: number): Promise<void> {
    await this.#guest(node, vmid).agent.ping.$post();
  }

  async agentFreezeStatus(node: string, vmid: number): Promise<string> {
    const answer = checked(
      answers.freezeStatus,
      'fsfreeze status',
      await this.#guest(node, vmid).agent['fsfreeze-status'].$post(),
    );
    return typeof answer === 'string' ? answer : answer.result;
  }

  async agentInterfaces(node: string, vmid: number) {
    return checked(
      answers.interfaces,
      'agent interfaces',
      await this.#guest(node, vmid).agent['network-get-interfaces'].$get(),
    ).result;
  }

  /** @param vmid - only what belongs to this guest; all disks of guests when absent */
  async storageContent(node: string, storage: string, vmid?: number) {
    return checked(
      answers.storageContent,
      'storage content',
      await this.#api.nodes
        .$(node)
        .storage.$(storage)
        .content.$get(vmid === undefined ? { content: 'images' } : { vmid }),
    );
  }

  async datacenterFirewall() {
    const answer = await this.#api.cluster.firewall.options.$get();
    return checked(answers.datacenterFirewall, 'datacenter firewall', answer);
  }

  async guestFirewall(node: string, vmid: number) {
    const answer = await this.#guest(node, vmid).firewall.options.$get();
    return checked(answers.guestFirewall, 'firewall', answer);
  }

  async guestFirewallRules(node: string, vmid: number) {
    const answer = await this.#guest(node, vmid).firewall.rules.$get();
    return checked(answers.firewallRules, 'firewall rules', answer);
  }

  /** Written at once, whatever lock the guest has; in force when pve-firewall has read it. */
  async changeGuestFirewall(
    node: string,
    vmid: number,
    options: { readonly enable: boolean; readonly policy_in?: 'DROP'; readonly policy_out?: 'DROP' },
  ): Promise<void> {
    await this.#guest(node, vmid).firewall.options.$put(options);
  }

  async storageStatus(node: string, storage: string) {
    return checked(
      answers.storageStatus,
      'storage status',
      await this.#api.nodes.$(node).storage.$(storage).status.$get(),
    );
  }

  #guest(node: string, vmid: number) {
    return this.#api.nodes.$(node).qemu.$(vmid);
  }

  #task(upid: string) {
    return this.#api.nodes.$(nodeOfTask(upid)).tasks.$(upid);
  }
}

/** The node that runs the task, the second field of its UPID: only that node knows it. */
export function nodeOfTask(upid: string): string {
  return upid.split(':')[1] ?? '';
}

/** The answer as promised, or an error that says which answer was different and how. */
function checked<T>(schema: z.ZodType<T>, what: string, answer: unknown): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw new ProxmoxError({
    operation: `read ${what}`,
    target: 'cluster',
    failureClass: 'permanent',
    message: `the answer is not what Proxmox VE gives: ${z.prettifyError(result.error)}`,
  });
}
