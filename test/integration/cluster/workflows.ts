export { cluster } from '../../../src/workflows/cluster.ts';
export { hostedVm } from '../../../src/workflows/hosted-vm.ts';
export { shadowVm } from '../../../src/workflows/shadow-vm.ts';
export { sweep } from '../../../src/workflows/sweep.ts';
