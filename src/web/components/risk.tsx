import type { Risk } from '../../domain/plan.ts';
import { riskBand } from '../../domain/plan.ts';
import { formatRisk } from '../text/numbers.ts';

/** `72 high: p90 reaches 94% of capacity`: the score with its largest part. */
export function RiskCell({ risk }: { readonly risk: Risk | undefined }) {
  if (risk === undefined) return <span class="quiet">not scored yet</span>;
  const largest = [...risk.parts].sort((a, b) => b.points - a.points)[0];
  const band = riskBand(risk.score);
  return (
    <span>
      <strong class={`risk risk-${band}`}>{formatRisk(risk.score)}</strong> {band}
      {largest === undefined ? null : <span class="part"> {largest.text}</span>}
    </span>
  );
}

/** Every part of a score, largest first; the points add up to about the score. */
export function RiskParts({ risk }: { readonly risk: Risk }) {
  const parts = [...risk.parts].sort((a, b) => b.points - a.points);
  return (
    <>
      <p>
        Risk <strong>{formatRisk(risk.score)}</strong> of 100, {riskBand(risk.score)}: the probability of needing a
        shadow before one could be made{risk.calibrated ? '' : ' (not calibrated yet: too few outcomes)'}.
      </p>
      {parts.length === 0 ? null : (
        <table class="narrow">
          <caption class="for-readers">Parts of the risk, largest first</caption>
          <thead>
            <tr>
              <th scope="col">Points</th>
              <th scope="col">Because</th>
            </tr>
          </thead>
          <tbody>
            {parts.map((part) => (
              <tr key={part.code}>
                <td class="number">{part.points.toFixed(part.points < 10 ? 1 : 0)}</td>
                <td>{part.text}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {risk.healthWeights === undefined ? null : <p class="quiet">Here {risk.healthWeights}.</p>}
    </>
  );
}
