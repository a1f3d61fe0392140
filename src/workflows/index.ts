export { cluster } from './cluster.ts';
export { healthShard } from './health-shard.ts';
export { hostedVm } from './hosted-vm.ts';
export { shadowVm } from './shadow-vm.ts';
export { sweep } from './sweep.ts';
