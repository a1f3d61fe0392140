import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startSimulator } from '../../../src/sim/simulator.ts';
import { documentedWorld } from '../../support/documented-world.ts';
import type { Simulator } from '../../../src/sim/simulator.ts';

const run = promisify(execFile);

/** Pinned, so that the client that is checked with is always the same. */
const proxmoxer = 'proxmoxer==2.3.0';
const goProxmox = 'github.com/luthermonson/go-proxmox@v0.8.2';

const python = `
import os, time
from proxmoxer import ProxmoxAPI
from proxmoxer.tools import Tasks

api = ProxmoxAPI(os.environ["SIM_HOST"], port=int(os.environ["SIM_PORT"]), user="umbra@pve", token_name="umbra",
                 token_value=os.environ["SIM_SECRET"], verify_ssl=os.environ["SIM_CA"])
guest = int(api.cluster.nextid.get(vmid=301))
upid = api.nodes("pve1").qemu(9000).clone.post(newid=guest, name="by-proxmoxer", pool="umbra")
assert Tasks.blocking_status(api, upid, 60, 0.1)["exitstatus"] == "OK"
api.nodes("pve1").qemu(guest).config.put(cores=3, ipconfig0="ip=10.1.0.7/24", tags="shadow;umbra")
assert api.nodes("pve1").qemu(guest).config.get()["cores"] == 3
assert Tasks.blocking_status(api, api.nodes("pve1").qemu(guest).status.start.post(), 60, 0.1)["exitstatus"] == "OK"
assert api.nodes("pve1").qemu(guest).status.current.get()["status"] == "running"
assert Tasks.blocking_status(api, api.nodes("pve1").qemu(guest).status.stop.post(), 60, 0.1)["exitstatus"] == "OK"
assert Tasks.blocking_status(api, api.nodes("pve1").qemu(guest).delete(purge=1), 60, 0.1)["exitstatus"] == "OK"
assert all(row["vmid"] != guest for row in api.cluster.resources.get(type="vm"))
print("done")
`;

const go = `package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	proxmox "github.com/luthermonson/go-proxmox"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func done(ctx context.Context, task *proxmox.Task) {
	must(task.Wait(ctx, 100*time.Millisecond, time.Minute))
	if !task.IsSuccessful {
		must(fmt.Errorf("%s ended %s", task.Type, task.ExitStatus))
	}
}

func main() {
	ctx := context.Background()
	pem, err := os.ReadFile(os.Getenv("SIM_CA"))
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	client := proxmox.NewClient(os.Getenv("SIM_URL")+"/api2/json", proxmox.WithHTTPClient(transport),
		proxmox.WithAPIToken("umbra@pve!umbra", os.Getenv("SIM_SECRET")))
	node, err := client.Node(ctx, "pve1")
	must(err)
	template, err := node.VirtualMachine(ctx, 9000)
	must(err)
	id, task, err := template.Clone(ctx, &proxmox.VirtualMachineCloneOptions{NewID: 302, Name: "by-go", Pool: "umbra"})
	must(err)
	done(ctx, task)
	guest, err := node.VirtualMachine(ctx, id)
	must(err)
	task, err = guest.Config(ctx, proxmox.VirtualMachineOption{Name: "cores", Value: 3})
	must(err)
	done(ctx, task)
	task, err = guest.Start(ctx)
	must(err)
	done(ctx, task)
	must(guest.Ping(ctx))
	if !guest.IsRunning() {
		must(fmt.Errorf("started and not running: %s", guest.Status))
	}
	task, err = guest.Stop(ctx)
	must(err)
	done(ctx, task)
	must(guest.Ping(ctx))
	task, err = guest.Delete(ctx, nil)
	must(err)
	done(ctx, task)
	fmt.Println("done")
}
`;

/** Whether a tool is here; where it must be, its absence is a failure. */
async function available(command: string, args: string[]): Promise<boolean> {
  try {
    await run(command, args, { timeout: 20_000 });
    return true;
  } catch {
    if (process.env['CI'] !== undefined) throw new Error(`${command} is needed in CI and is not there`);
    process.stdout.write(`skipped: ${command} is not there\n`);
    return false;
  }
}

/** From 1.21 on Go gets the toolchain a module asks for; an older one, as Debian 12 has it, cannot build this client. */
async function fetchesToolchains(): Promise<boolean> {
  const { stdout } = await run('go', ['version'], { timeout: 20_000 });
  const minor = Number(/go1\.(\d+)/.exec(stdout)?.[1] ?? 0);
  if (minor >= 21) return true;
  process.stdout.write(`skipped: ${stdout.trim()} is too old for go-proxmox, which needs 1.21 or later\n`);
  return false;
}

describe('clients that were written for Proxmox VE', () => {
  let sim: Simulator;
  let folder: string;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    const { world, token } = documentedWorld();
    sim = await startSimulator({ world, host: '127.0.0.1', port: 0, tls: true, guests: false });
    folder = await mkdtemp(join(tmpdir(), 'umbra-clients-'));
    await writeFile(join(folder, 'ca.pem'), sim.certificate ?? '');
    const { hostname, port } = new URL(sim.url);
    environment = {
      ...process.env,
      SIM_URL: sim.url,
      SIM_HOST: hostname,
      SIM_PORT: port,
      SIM_SECRET: token.secret,
      SIM_CA: join(folder, 'ca.pem'),
    };
  });

  afterAll(async () => {
    await sim.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('proxmoxer clones, configures, starts, stops and deletes a guest', async () => {
    if (!(await available('python3', ['-m', 'venv', '--help']))) return;
    const venv = join(folder, 'venv');
    await run('python3', ['-m', 'venv', venv], { timeout: 60_000 });
    await run(join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', proxmoxer, 'requests'], {
      timeout: 120_000,
    });
    const { stdout } = await run(join(venv, 'bin/python'), ['-c', python], { env: environment, timeout: 60_000 });
    expect(stdout.trim()).toBe('done');
  }, 240_000);

  test('go-proxmox clones, configures, starts, stops and deletes a guest', async () => {
    if (!(await available('go', ['version']))) return;
    if (!(await fetchesToolchains())) return;
    const project = await mkdtemp(join(folder, 'go-'));
    const options = { cwd: project, env: environment, timeout: 180_000 };
    await writeFile(join(project, 'main.go'), go);
    await run('go', ['mod', 'init', 'example.invalid/check'], options);
    await run('go', ['get', goProxmox], options);
    const { stdout } = await run('go', ['run', '.'], options);
    expect(stdout.trim()).toBe('done');
  }, 300_000);
});
