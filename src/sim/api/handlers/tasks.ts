import { has } from '../../access/permissions.ts';
import type { Task } from '../../cluster/tasks.ts';
import { parseUpid } from '../../cluster/upid.ts';
import { without } from '../../without.ts';
import { badParameter, notPermitted } from '../refusal.ts';
import { Listing } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';

const ownerOf = (task: Task): { user: string; tokenid?: string } => {
  const [user, tokenid] = task.of.user.split('!');
  return { user: user!, ...(tokenid === undefined ? {} : { tokenid }) };
};

/** A user owns what their tokens did; a token owns only what it did itself. */
const owns = (call: Call, task: Task): boolean =>
  call.who.id === task.of.user || (call.who.token === undefined && ownerOf(task).user === call.who.user);

export const describeTask = (task: Task): Record<string, unknown> => ({
  upid: task.upid,
  node: task.of.node,
  pid: task.of.pid,
  pstart: task.of.pstart,
  starttime: task.of.starttime,
  type: task.of.type,
  id: task.of.id,
  ...ownerOf(task),
  ...(task.endtime === undefined ? {} : { endtime: task.endtime }),
});

const mustBe = (call: Call, own: boolean, privilege: string): void => {
  if (!own && !has(call.cluster.world, call.who, `/nodes/${call.node}`, privilege)) {
    throw notPermitted(`/nodes/${call.node}, ${privilege}`);
  }
};

/** The task a call names; whether it exists is told before whose it is. */
function taskOf(call: Call, privilege = 'Sys.Audit'): Task {
  const upid = call.args.need('upid');
  const parsed = parseUpid(upid);
  if (!parsed) throw badParameter({ upid: 'unable to parse worker upid' });
  const task = call.cluster.tasks.find(upid);
  if (!task || parsed.node !== call.node) throw badParameter({ upid: 'no such task' });
  mustBe(call, owns(call, task), privilege);
  return task;
}

/** The lines of a task's log; a log that is not there is a line that says so. */
function logOf(call: Call): string[] {
  const upid = call.args.need('upid');
  const parsed = parseUpid(upid);
  if (!parsed) throw badParameter({ upid: 'unable to parse worker upid' });
  const [user] = parsed.user.split('!');
  mustBe(call, parsed.user === call.who.id || user === call.who.id, 'Sys.Audit');
  const log = parsed.node === call.node ? call.cluster.tasks.find(upid)?.log : undefined;
  return log ?? ['unable to open file - No such file or directory'];
}

/** `ok`, `warning`, `error` or `unknown`: what a list can be filtered by. */
function kindOf(exit: string | undefined): string {
  if (exit === 'OK') return 'ok';
  if (exit === undefined || exit === 'unexpected status') return 'unknown';
  return /^WARNINGS: \d+$/.test(exit) ? 'warning' : 'error';
}

function listTasks(call: Call): Listing {
  const { cluster, args, who, node } = call;
  const all = has(cluster.world, who, `/nodes/${node}`, 'Sys.Audit');
  const source = args.text('source') ?? 'archive';
  const since = args.number('since');
  const until = args.number('until');
  const kinds = args.list('statusfilter').map((kind) => kind.toLowerCase());
  const userfilter = args.text('userfilter');
  const found = cluster.tasks
    .ofNode(node)
    .filter((task) => (task.running ? source !== 'archive' : source !== 'active'))
    .sort((a, b) => Number(b.running) - Number(a.running))
    .filter((task) => all || owns(call, task))
    .filter((task) => args.text('vmid') === undefined || task.of.id === args.text('vmid'))
    .filter((task) => args.text('typefilter') === undefined || task.of.type === args.text('typefilter'))
    .filter((task) => userfilter === undefined || task.of.user.toLowerCase().includes(userfilter.toLowerCase()))
    .filter((task) => since === undefined || task.of.starttime >= since)
    .filter((task) => until === undefined || task.of.starttime <= until)
    .filter((task) => !args.flag('errors') || task.running || !['ok', 'warning'].includes(kindOf(task.exit)))
    .filter((task) => kinds.length === 0 || kinds.includes(kindOf(task.exit)));
  const start = args.number('start') ?? 0;
  const limit = args.number('limit') ?? 50;
  return new Listing(
    found
      .slice(start, start + limit)
      .map((task) => ({ ...describeTask(task), status: task.running ? 'RUNNING' : task.exit })),
    found.length,
  );
}

export const taskHandlers: Readonly<Record<string, Handler>> = {
  'GET /nodes/{node}/tasks': listTasks,
  'GET /nodes/{node}/tasks/{upid}': () => [{ name: 'log' }, { name: 'status' }],
  'GET /nodes/{node}/tasks/{upid}/status': (call) => {
    const task = taskOf(call);
    const shown = without(describeTask(task), 'endtime');
    return task.running ? { ...shown, status: 'running' } : { ...shown, status: 'stopped', exitstatus: task.exit };
  },
  'GET /nodes/{node}/tasks/{upid}/log': (call) => {
    const start = call.args.number('start') ?? 0;
    const limit = call.args.number('limit') ?? 50;
    const lines = logOf(call).map((t, at) => ({ n: at + 1, t }));
    if (lines.length === 0) return new Listing([{ n: 1, t: 'no content' }], 1);
    return new Listing(lines.slice(start, limit === 0 ? undefined : start + limit), lines.length);
  },
  'DELETE /nodes/{node}/tasks/{upid}': (call) => {
    call.cluster.tasks.stop(taskOf(call, 'Sys.Modify'));
    return null;
  },
};
