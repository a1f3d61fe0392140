export { cluster } from './fake-cluster-workflow.ts';
export { healthShard } from '../../src/workflows/health-shard.ts';
export { hostedVm } from '../../src/workflows/hosted-vm.ts';
export { shadowVm } from '../../src/workflows/shadow-vm.ts';
