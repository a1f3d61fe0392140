/** Words of one hosted VM: a cache line, since one answer touches most of them. */
export const rowWords = 16;

/** Where each count lies in a row. */
export const row = {
  touched: 0,
  answers: 1,
  deduplicated: 2,
  established: 3,
  tcp: 4,
  bytes: 5,
  noerror: 6,
  nxdomain: 7,
  servfail: 8,
  refused: 9,
  otherRcode: 10,
  a: 11,
  aaaa: 12,
  https: 13,
  otherType: 14,
  sketch: 15,
} as const;
