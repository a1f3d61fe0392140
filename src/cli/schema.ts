import type { Command } from 'commander';
import { jsonSchemaOf } from '../inventory/parse.ts';
import { inventoryShape } from '../inventory/schema.ts';
import { configShape } from '../inventory/umbra-yaml.ts';
import { Ending, exitCodes } from './exit.ts';
import type { Terminal } from './terminal.ts';

const schemas = {
  inventory: () => jsonSchemaOf(inventoryShape, 'Umbra inventory'),
  config: () => jsonSchemaOf(configShape, 'umbra.yaml'),
} as const;

export function mountSchema(program: Command, terminal: Terminal): void {
  program
    .command('schema [of]')
    .description('JSON Schema for editors: of the inventory (default), or of the config, umbra.yaml')
    .addHelpText('after', '\nExample:\n  umbra schema inventory > inventory.schema.json')
    .action((of = 'inventory') => {
      const make = (schemas as Readonly<Record<string, (() => object) | undefined>>)[of as string];
      if (make === undefined)
        throw new Ending(exitCodes.usage, `there is a schema of inventory and of config, not of ${String(of)}`);
      terminal.out(`${JSON.stringify(make(), undefined, 2)}\n`);
    });
}
