export { cluster } from './cluster.ts';
export { fleetForecast } from './fleet-forecast.ts';
export { healthShard } from './health-shard.ts';
export { hostedVm } from './hosted-vm.ts';
export { shadowVm } from './shadow-vm.ts';
export { sweep } from './sweep.ts';
