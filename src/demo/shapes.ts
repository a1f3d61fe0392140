/**
 * Weeks of real demand, as shapes only: 336 half hours from Monday 00:00 UTC, each one character from A (nothing)
 * to / (the week's highest level). Derived by us from public series: the median of all weeks, but for `bursty`, which is
 * one week as it was.
 */
export const shapes = {
  /** Requests of the NASA-KSC web site, August 1995 (Internet Traffic Archive). */
  science:
    'XXWZeaZYVVSSRSNQLLOOPRUYbhlusqwv2/8yv14+3yslijabccccZacYUVSTONPOOMPLORTcijnspzx2469529/++1woljga' +
    'gcefcecYaWPQSPOQPMNOQSWcjqutxwx22136723//zzqjijhfcfgfabcXXTSQQNOPONQORacnorrw74v0923729/0yvmkhie' +
    'eeaggebWURSVPQPQPMSOPRYdkpnyyxxw134840376yqnfgbYZZcWYYWVTTRPNNLLJKJILJJMOOQRRTTWVVZXYaZZXZXWWYVX' +
    'UZWWaZcXdaTQNNKLLJKIJINLJLPSPWSVXVWWXYYaacXYZXYW',
  /** Requests of the World Cup 98 web site, May 1998 (Internet Traffic Archive). */
  sports:
    'WWRNPOOQMKKLOPSWWYZZZecbglqklonnskjfiihgidcbbXYVVXYeebYbcaacbwhgqismqm8/w0wyvvxv1wvssmw0wu0qkgff' +
    'dgbcaZbYYXZbcjjorsutzsxy24895898521zxtosnqssXVVUVUTXVUTTQRSTQXYababdehdjlptrtsm0/6842241yutslhii' +
    'kjiiigffaccbchioorwwtwyy4999899///5522z22xsnlgfffgffdcaZYWVTTYcYZdbdeaacejkoonprtusnpookihhgdcbZ' +
    'ZaXZabZaXWWWUVYXYYddddcdcehjlkpopqorqoolkljecbcc',
  /** A business indicator of a large web company (AIOps challenge 2018, KPI 40e25005). */
  shop:
    'joy16684124375889772ywwxy254740rmggeeddccccdfcgjhnv05552z01146868954zyz0357/+62wpieXVSQONMNOSWbe' +
    'jqy26785013377+9++93zxyz2489/73wrjdYVRPOMLMNRUZcjqz27785234478++/9+6212257///95yrjdXUQPNNMNOSVad' +
    'kr0388+524557799/8831yzy1368+64xskeYVRPNNMNORVaeknuy2341023132445430zxyy1357741vqjdYVSQNNMNNRUZd' +
    'jmsuzz1yzz111021211yxwxwz146741uphcWTQPNMLMMQTZc',
  /** Another one (KPI 8c892e55). */
  news:
    'pu02676324546687776333568+//+4yqjcZWVTSRSSUXbdgipv025651z23233556553334578//+5zrkdZWVSSRRRUWbefh' +
    'ouz0454zz23133556653323368++94yqjdZWVSSRSSUXbdghpuz0554zz1321656987443459+//+71tmfbXXUUSTTWYdgjl' +
    'rx2367622443567687653222479+960tngbYYVUSTTWYcgjmsw12555323445567765321214689+50tngcYWUUSSSUXbfil' +
    'ru0155522354656666532122479+95zrleaWWUTSSSUWbegi',
  /** Another one (KPI 9bd90500). */
  office:
    '/+///8+7/+/68yxpskmjqpqllgfchglmrossvtvttrwvzy20302z0y1z1z1vxpoijefflknihdbYbbfilkonrqqpqptuyx1z' +
    '2z203z2z3y2vxqpjkefflmohhddZadggninmpqpooosuxuyxzwzwyuzvzvytvnnijdeelklgfbaXYafflhlkmnomompputwu' +
    'xuxtwswrvrsnqjjgiccafdfbbXWTUTWVYXZacccbdbdcffhgiimjlhjikiighcfaaWVUWUXUURQPPPRRVTVWYYZZZZbbdegg' +
    'hikjlmpprqpmlhfccabdikkiiecacgknsrvxz1zzyy124598',
  /** Requests of an AWS load balancer, one week of April 2014 (Numenta Anomaly Benchmark). */
  bursty:
    'JZUTUOQbNPoaPDRVZNLHTRaJZema/imoTT2bZzTwd7rReYNkePYdWNIXRfbZNTpZMRNSRRXU5WnkeVcYtUbpht6f26j6hdgU' +
    'lNXbikrQIqYLXGWTTKXhPZcbVVVSpi7ofof0dqjks/ubqbdchTVZgeWOcZYfOXbTXgZNShT3TsthdydsmulgkXpYWWPaRhVR' +
    'WVqUSRRVleaUIWTLUdtQndUWUbLrRlsYstbgbng36iWXWXr3zOWicPRVMWNiLQKQVSXVPMXSQZdsYcXXKU//UebUXfWZWPQa' +
    'FUgJKZKUKOaPKNFKROYTJWQVKNQNgrfOZrmUcnPZbfacPWeH',
} as const;

export type ShapeName = keyof typeof shapes;

const levels = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Half hours in a week of these shapes. */
const slotsPerWeek = 336;

/**
 * The level of demand at a moment of the week, 0..1, between two half hours on a straight line.
 * @param days since Monday 00:00, any number; the week repeats
 */
export function levelAt(name: ShapeName, days: number): number {
  const slot = (((days * 48) % slotsPerWeek) + slotsPerWeek) % slotsPerWeek;
  const at = (index: number): number => levels.indexOf(shapes[name].charAt(index % slotsPerWeek)) / 63;
  const before = Math.floor(slot);
  return at(before) + (at(before + 1) - at(before)) * (slot - before);
}
