import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { searchAttributeTypes } from '../../src/domain/search-attributes.ts';

const types = {
  KEYWORD: SearchAttributeType.KEYWORD,
  BOOL: SearchAttributeType.BOOL,
  DATETIME: SearchAttributeType.DATETIME,
} as const;

/** The registry's search attributes, for a development server that is started with them. */
export function searchAttributesOf() {
  return Object.entries(searchAttributeTypes).map(([name, type]) => defineSearchAttributeKey(name, types[type]));
}
