import { useEffect, useRef, useState } from 'preact/hooks';
import type { Command } from '../../domain/commands.ts';
import { formatDuration, parseDuration } from '../../domain/time.ts';
import type { Explanation, HostedVmView } from '../../domain/view.ts';
import { giveName, operatorName, token } from '../api/token.ts';
import { commandPlan, commandWords, warmShadows } from '../text/commands.ts';
import { formatTier, instanceWords } from '../text/instances.ts';
import { formatQps } from '../text/numbers.ts';

export type CommandInput = {
  readonly reason: string;
  readonly to?: string;
  readonly byMs?: number;
  readonly proposalId?: string;
};

const leastReason = 3;

/** Shows what would change and what can be undone, then asks for a typed reason. Escape and Cancel change nothing. */
export function CommandDialog(props: {
  readonly command: Command;
  readonly view: HostedVmView;
  readonly explanation: Explanation;
  readonly onCancel: () => void;
  readonly onConfirm: (input: CommandInput) => void;
}) {
  const { command, view, explanation } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState('');
  const [to, setTo] = useState('');
  const [by, setBy] = useState('6h');
  useEffect(() => dialog.current?.showModal(), []);

  const { label, dangerous } = commandWords[command];
  const plan = commandPlan(command, view, to === '' ? undefined : to);
  const byMs = parseDuration(by.trim());
  const reasonGiven = reason.trim().length >= leastReason;
  const ready = reasonGiven && (command !== 'extendProbation' || (byMs !== undefined && byMs > 0));
  const proposal = command === 'approve' ? explanation.proposal : null;

  const confirm = (event: Event): void => {
    event.preventDefault();
    if (!ready) return;
    props.onConfirm({
      reason: reason.trim(),
      ...(command === 'failover' && to !== '' ? { to } : {}),
      ...(command === 'extendProbation' && byMs !== undefined ? { byMs } : {}),
      ...(proposal === null ? {} : { proposalId: proposal.id }),
    });
  };

  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onCancel={props.onCancel} onClose={props.onCancel}>
      <form onSubmit={confirm}>
        <h2 id="dialog-title">
          {label}: {view.id}
        </h2>
        {proposal === null ? null : <p>{proposal.reason.text}</p>}
        {command === 'failover' ? <ShadowChoice view={view} chosen={to} onChoose={setTo} /> : null}
        <h3>What changes</h3>
        <ul>
          {plan.changes.map((change) => (
            <li key={change}>{change}</li>
          ))}
        </ul>
        {plan.verdict.length === 0 ? null : (
          <ul class="verdict">
            {plan.verdict.map(({ ok, text }) => (
              <li key={text} class={ok ? 'ok' : 'warn'}>
                <strong>{ok ? 'OK' : 'Careful'}</strong> {text}
              </li>
            ))}
          </ul>
        )}
        <p>
          <strong>To undo it:</strong> {plan.undo}
        </p>
        {command === 'extendProbation' ? (
          <label>
            Extend by
            <input
              value={by}
              onInput={(event) => setBy(event.currentTarget.value)}
              size={8}
              aria-describedby="by-read"
            />
            <span id="by-read" class="quiet">
              {byMs === undefined ? 'such as 90m or 6h' : `read as ${formatDuration(byMs)}`}
            </span>
          </label>
        ) : null}
        <label>
          Reason (kept with the event)
          <input
            value={reason}
            onInput={(event) => setReason(event.currentTarget.value)}
            required
            minLength={leastReason}
            maxLength={200}
            autoComplete="off"
            placeholder="why now, for whoever reads it on Friday"
          />
        </label>
        {token.value === '' ? (
          <label>
            Your name (letters, digits and . @ -)
            <input
              value={operatorName.value}
              onInput={(event) => giveName(event.currentTarget.value.replaceAll(/[^\w.@-]/g, '').slice(0, 64))}
              autoComplete="username"
              placeholder="somebody"
            />
          </label>
        ) : null}
        <div class="buttons">
          <button type="button" onClick={props.onCancel}>
            Cancel
          </button>
          <button type="submit" class={dangerous ? 'dangerous' : 'primary'} disabled={!ready}>
            {label}
          </button>
          {ready ? null : <span class="quiet">{reasonGiven ? 'a duration is missing' : 'a reason is missing'}</span>}
        </div>
      </form>
    </dialog>
  );
}

function ShadowChoice(props: {
  readonly view: HostedVmView;
  readonly chosen: string;
  readonly onChoose: (id: string) => void;
}) {
  const shadows = warmShadows(props.view);
  return (
    <label>
      To
      <select value={props.chosen} onChange={(event) => props.onChoose(event.currentTarget.value)}>
        <option value="">the shadow Umbra chooses</option>
        {shadows.map((shadow) => (
          <option key={shadow.id} value={shadow.id}>
            {shadow.id}: {formatTier(shadow.tier)}, {formatQps(shadow.capacityQps)}, {instanceWords(shadow)}
            {shadow.node === undefined ? '' : `, on ${shadow.node}`}
          </option>
        ))}
      </select>
    </label>
  );
}
