import { z } from 'zod';

/*
 * What we read of Proxmox's answers, and nothing else. Numbers come as numbers or as strings depending on the version
 * and on the day; flags come as 0 and 1, "0" and "1", true and false; what we do not name is let through untouched.
 */
const number = z.coerce.number();
const text = z.coerce.string();
const flag = z.union([z.boolean(), z.coerce.number()]).transform((value) => Boolean(value));

export const version = z.object({ version: text, release: text.optional() });

export const resource = z.object({
  type: text,
  id: text,
  node: text.optional(),
  vmid: number.optional(),
  name: text.optional(),
  status: text.optional(),
  template: flag.optional(),
  lock: text.optional(),
  tags: text.optional(),
  // A resource nobody gave a state, and the manager has not seen, is one that waits for the manager.
  hastate: text
    .nullable()
    .optional()
    .transform((state) => (state === null ? 'queued' : state)),
  cpu: number.optional(),
  maxcpu: number.optional(),
  mem: number.optional(),
  maxmem: number.optional(),
  uptime: number.optional(),
  storage: text.optional(),
  plugintype: text.optional(),
  shared: flag.optional(),
  disk: number.optional(),
  maxdisk: number.optional(),
  content: text.optional(),
  pool: text.optional(),
});
export const resources = z.array(resource);
export type Resource = z.infer<typeof resource>;

export const clusterStatus = z.array(
  z.object({
    type: text,
    name: text.optional(),
    quorate: flag.optional(),
    online: flag.optional(),
  }),
);

export const managerStatus = z.object({
  manager_status: z
    .object({
      node_status: z.record(z.string(), z.string()).optional(),
      service_status: z
        .record(z.string(), z.object({ node: text.optional(), state: text.optional() }).loose())
        .optional(),
    })
    .loose()
    .optional(),
});

export const haStatus = z.array(
  z.object({
    type: text,
    sid: text.optional(),
    state: text.optional(),
    node: text.optional(),
    request_state: text.optional(),
    'armed-state': text.optional(),
    resource_mode: text.optional(),
    status: text.optional(),
  }),
);

/** Values may be numbers or strings; `configOf` in guest-config makes them strings. */
export const config = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

export const currentStatus = z.object({
  status: text,
  qmpstatus: text.optional(),
  lock: text.optional(),
  cpu: number.optional(),
  cpus: number.optional(),
  mem: number.optional(),
  maxmem: number.optional(),
  uptime: number.optional(),
  name: text.optional(),
  tags: text.optional(),
  template: flag.optional(),
  ha: z.object({ managed: flag.optional(), state: text.optional() }).loose().optional(),
  // Since Proxmox VE 9: per cent of the newest ten seconds in which some task of the guest's process waited.
  pressurecpusome: number.optional(),
  pressurememorysome: number.optional(),
  pressureiosome: number.optional(),
});
export type CurrentStatus = z.infer<typeof currentStatus>;

export const upid = z.string().regex(/^UPID:[^:]+:/);
/** A write that answers with a task, or with null when it is done already. */
export const upidOrNull = upid.nullable();

export const taskStatus = z.object({
  status: z.enum(['running', 'stopped']),
  exitstatus: text.optional(),
  type: text,
  id: text.optional(),
});

export const taskLog = z.array(z.object({ n: number, t: text }));

export const taskList = z.array(
  z.object({ upid: text, type: text, id: text.optional(), status: text.optional(), endtime: number.optional() }),
);

export const permissions = z.record(z.string(), z.record(z.string(), number));

export const interfaces = z.object({
  result: z.array(
    z.object({
      name: text,
      'hardware-address': text.optional(),
      'ip-addresses': z
        .array(z.object({ 'ip-address': text, 'ip-address-type': text, prefix: number.optional() }))
        .optional(),
    }),
  ),
});

export const freezeStatus = z.object({ result: z.string() }).or(z.string());

/** Of a guest; what was never set is absent. */
export const guestFirewall = z.object({
  enable: flag.optional(),
  policy_in: text.optional(),
  policy_out: text.optional(),
});
export type GuestFirewall = z.infer<typeof guestFirewall>;

export const datacenterFirewall = z.object({ enable: flag.optional() });

export const firewallRules = z.array(z.object({ type: text, action: text }));

export const nextId = z.coerce.string();

export const storageStatus = z.object({ active: flag.optional(), enabled: flag.optional() });

export const storageContent = z.array(
  z.object({ volid: text, vmid: number.optional(), size: number.optional(), content: text.optional() }),
);
