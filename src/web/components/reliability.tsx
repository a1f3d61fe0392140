import { formatPercent } from '../text/numbers.ts';

type Bin = { readonly predicted: number; readonly observed: number; readonly count: number };

/** When Umbra said 20%, how often did it happen? On the diagonal, one in five. */
export function Reliability({
  bins,
  text,
  weights,
}: {
  readonly bins: readonly Bin[];
  readonly text: string | undefined;
  /** Whose estimates the weights of health findings are. */
  readonly weights: string | undefined;
}) {
  const filled = bins.filter((bin) => bin.count > 0);
  const most = Math.max(1, ...filled.map((bin) => bin.count));
  return (
    <section aria-labelledby="reliability">
      <h2 id="reliability">Reliability of the risk score</h2>
      <p class="quiet">
        {text === undefined ? 'Too few scored moments have been followed by an outcome.' : sentence(text)}
      </p>
      {weights === undefined ? null : <p class="quiet">{sentence(weights)}</p>}
      {filled.length === 0 ? null : (
        <div class="side-by-side">
          <svg
            class="reliability"
            viewBox="-12 -4 116 118"
            role="img"
            aria-label="Predicted against observed share; the table has the figures"
          >
            <rect class="frame" x="0" y="0" width="100" height="100" />
            <line class="diagonal" x1="0" y1="100" x2="100" y2="0" />
            {filled.map((bin) => (
              <circle
                key={bin.predicted}
                class="outcome"
                cx={bin.predicted * 100}
                cy={100 - bin.observed * 100}
                r={1.5 + 3 * Math.sqrt(bin.count / most)}
              />
            ))}
            <text x="50" y="111" text-anchor="middle">
              predicted
            </text>
            <text x="-50" y="-4" text-anchor="middle" transform="rotate(-90)">
              observed
            </text>
          </svg>
          <table class="narrow">
            <thead>
              <tr>
                <th scope="col" class="number">
                  Predicted
                </th>
                <th scope="col" class="number">
                  Observed
                </th>
                <th scope="col" class="number">
                  Moments
                </th>
              </tr>
            </thead>
            <tbody>
              {filled.map((bin) => (
                <tr key={bin.predicted}>
                  <td class="number">{formatPercent(bin.predicted)}</td>
                  <td class="number">{formatPercent(bin.observed)}</td>
                  <td class="number">{bin.count}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
