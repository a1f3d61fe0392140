import { atMost, decimal, flag, like, must, needs, oneOf, pattern, text, whole } from './parameter-words.ts';
import type { Parameters, PropertyString } from './parameters.ts';

const byDefault = (parameter: PropertyString[string]): PropertyString[string] => ({ ...parameter, isDefault: true });
const tag = '[a-zA-Z0-9_][a-zA-Z0-9_\\-+.]*';
const tags = pattern(`(?:${tag};)*${tag}`);
const colour = `${tag}:[0-9a-fA-F]{6}(?::[0-9a-fA-F]{6})?`;

/** Over which network, and how safe. */
const transfer: PropertyString = {
  type: byDefault(must(oneOf('secure', 'insecure'))),
  network: like('CIDR'),
};
const rebalance = (parameter: PropertyString[string]): PropertyString[string] => needs('ha-auto-rebalance', parameter);

const languages = [
  ...['ar', 'ca', 'da', 'de', 'en', 'es', 'eu', 'fa', 'fr', 'hr', 'he', 'it', 'ja', 'ka', 'kr', 'nb', 'nl', 'nn'],
  ...['pl', 'pt_BR', 'ru', 'sl', 'sv', 'tr', 'ukr', 'zh_CN', 'zh_TW'],
];
const keyboards = [
  ...['de', 'de-ch', 'da', 'en-gb', 'en-us', 'es', 'fi', 'fr', 'fr-be', 'fr-ca', 'fr-ch', 'hu', 'is', 'it', 'ja', 'lt'],
  ...['mk', 'nl', 'no', 'pl', 'pt', 'pt-br', 'sv', 'sl', 'tr'],
];

/** Bandwidth by what it is used for, in KiB/s. */
export const bandwidth: PropertyString = Object.fromEntries(
  ['clone', 'default', 'migration', 'move', 'restore'].map((use) => [use, decimal(0)]),
);

/** What `datacenter.cfg` may say. */
export const datacenterOptions: Parameters = {
  bwlimit: like(bandwidth),
  'consent-text': atMost(65536),
  console: oneOf('applet', 'vv', 'html5', 'xtermjs'),
  crs: like({
    ha: oneOf('basic', 'static', 'dynamic'),
    'ha-auto-rebalance': flag,
    'ha-auto-rebalance-hold-duration': rebalance(decimal(0)),
    'ha-auto-rebalance-margin': rebalance(decimal(0)),
    'ha-auto-rebalance-method': rebalance(oneOf('bruteforce', 'topsis')),
    'ha-auto-rebalance-threshold': rebalance(decimal(0)),
    'ha-rebalance-on-start': flag,
  }),
  description: atMost(65536),
  email_from: like('email-opt'),
  fencing: oneOf('watchdog', 'hardware', 'both'),
  ha: like({ shutdown_policy: must(oneOf('freeze', 'failover', 'conditional', 'migrate')) }),
  http_proxy: pattern('http://.*'),
  keyboard: oneOf(...keyboards),
  language: oneOf(...languages),
  mac_prefix: like('mac-prefix'),
  max_workers: whole(1),
  migration: like(transfer),
  migration_unsecure: flag,
  'next-id': like({ lower: whole(), upper: whole() }),
  notify: like({
    fencing: oneOf('always', 'never'),
    'package-updates': oneOf('auto', 'always', 'never'),
    replication: oneOf('always', 'never'),
    ...Object.fromEntries(['fencing', 'package-updates', 'replication'].map((of) => [`target-${of}`, text])),
  }),
  'registered-tags': tags,
  replication: like(transfer),
  'tag-style': like({
    'case-sensitive': flag,
    'color-map': pattern(`(?:${colour})(?:;(?:${colour}))*`),
    ordering: oneOf('config', 'alphabetical'),
    shape: oneOf('full', 'circle', 'dense', 'none'),
  }),
  u2f: like({ appid: text, origin: text }),
  'user-tag-access': like({
    'user-allow': oneOf('none', 'list', 'existing', 'free'),
    'user-allow-list': pattern(`${tag}(?:;${tag})*`),
  }),
  webauthn: like({ 'allow-subdomains': flag, id: text, origin: text, rp: text }),
};
