// Worker threads do not inherit tsx. In a checkout a thread starts here and loads the TypeScript file named in its
// workerData; from dist the compiled file is started directly and this one is not used.
import { workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
// Piscina wraps workerData in an array.
const options = Array.isArray(workerData) ? workerData.at(-1) : workerData;
const { default: task } = await import(options.module);
export default task;
