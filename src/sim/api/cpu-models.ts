import { parsePropertyString } from './parameters.ts';
import { propertyStrings } from './property-strings.ts';

/** Models of QEMU's documentation that a guest may have by name; most exist in several revisions. */
const models = [
  ...['486', 'pentium', 'pentium2', 'pentium3', 'coreduo', 'core2duo', 'Conroe', 'Penryn', 'Nehalem', 'Westmere'],
  ...['SandyBridge', 'IvyBridge', 'Haswell', 'Broadwell', 'Skylake-Client', 'Skylake-Server', 'Cascadelake-Server'],
  ...[
    'Cooperlake',
    'Icelake-Client',
    'Icelake-Server',
    'SapphireRapids',
    'GraniteRapids',
    'SierraForest',
    'KnightsMill',
  ],
  ...['athlon', 'phenom', 'Opteron_G1', 'Opteron_G2', 'Opteron_G3', 'Opteron_G4', 'Opteron_G5', 'EPYC', 'EPYC-Rome'],
  ...['EPYC-Milan', 'EPYC-Genoa', 'EPYC-Turin', 'host', 'kvm32', 'kvm64', 'qemu32', 'qemu64', 'max'],
  ...['x86-64-v2', 'x86-64-v2-AES', 'x86-64-v3', 'x86-64-v4', 'cortex-a53', 'cortex-a57', 'neoverse-n1'],
];
const builtIn = new RegExp(`^(?:${models.join('|')})(?:-noTSX)?(?:-IBRS|-IBPB|-v\\d)?$`);

/** The flags one guest may set by itself; a custom model may have any. */
const flags = [
  ...['aes', 'amd-no-ssb', 'amd-ssbd', 'hv-evmcs', 'hv-tlbflush', 'ibpb', 'md-clear', 'nested-virt', 'pcid', 'pdpe1gb'],
  ...['spec-ctrl', 'ssbd', 'virt-ssbd'],
];

/** What is wrong with the CPU of a guest beyond its shape. The simulator has no custom models. */
export function cpuRefusal(text: string): string | undefined {
  const cpu = parsePropertyString(propertyStrings['pve-vm-cpu-conf']!, text);
  if (typeof cpu === 'string') return undefined;
  const { cputype = '', flags: wanted } = cpu;
  if (cputype === '') return 'CPU is missing cputype\n';
  const custom = /^custom-(.*)$/.exec(cputype)?.[1];
  if (custom !== undefined) return `Custom cputype '${custom}' not found\n`;
  if (!builtIn.test(cputype)) return `Built-in cputype '${cputype}' is not defined (missing 'custom-' prefix?)\n`;
  if (wanted?.split(';').some((flag) => !flags.includes(flag.slice(1)))) {
    return `VM-specific CPU flags must be a subset of: ${flags.join(', ')}\n`;
  }
  if (cpu['reported-model'] !== undefined) return "Property 'reported-model' not allowed in VM-specific CPU config.\n";
  return undefined;
}
