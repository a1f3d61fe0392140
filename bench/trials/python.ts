import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { DemandSeries } from '../../src/domain/demand.ts';

/** Models of `bench/peers/forecasts.py`. */
export const pythonModels = ['mstl-autoarima', 'prophet-pypi'] as const;
export type PythonModel = (typeof pythonModels)[number];

export const pythonScript = fileURLToPath(new URL('../peers/forecasts.py', import.meta.url));
/** A Python with `pip install statsforecast prophet`: the environment variable, else the one of the path. */
const python = process.env['UMBRA_BENCH_PYTHON'] ?? 'python3';

export type PythonAnswer = {
  readonly origin: number;
  /** In the order of `quantileLevels`. */
  readonly paths: readonly (readonly number[])[];
  readonly cpuMs: number;
};

export function isPythonModel(model: string): model is PythonModel {
  return pythonModels.some((name) => name === model);
}

/** The models whose packages this Python has, with package and version; empty without Python. */
export function installedPythonModels(): Partial<Record<PythonModel, string>> {
  const { status, stdout } = spawnSync(python, [pythonScript, '--which'], { encoding: 'utf8' });
  return status === 0 ? (JSON.parse(stdout) as Partial<Record<PythonModel, string>>) : {};
}

/** Forecasts at every origin, each fitted on the `windowSteps` before it. */
export async function askPython(
  model: PythonModel,
  series: DemandSeries,
  question: { readonly origins: readonly number[]; readonly horizonSteps: number; readonly windowSteps: number },
): Promise<PythonAnswer[]> {
  const child = spawn(python, [pythonScript], { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
  const said: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
  child.stdin.end(
    JSON.stringify({
      model,
      startMs: series.start,
      stepMs: series.stepMs,
      horizon: question.horizonSteps,
      window: question.windowSteps,
      // NaN is written as null.
      values: series.qps,
      origins: question.origins,
    }),
  );
  const answers: PythonAnswer[] = [];
  for await (const line of createInterface({ input: child.stdout })) answers.push(JSON.parse(line) as PythonAnswer);
  const status = await ended;
  if (status !== 0) throw new Error(`${python} ${model} ended with ${status ?? 'a signal'}: ${said.join('').trim()}`);
  return answers;
}
