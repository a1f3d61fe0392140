import { useRef, useState } from 'preact/hooks';
import type { Command, CommandResult } from '../../domain/commands.ts';
import type { Explanation, HostedVmView } from '../../domain/view.ts';
import { command as send } from '../api/client.ts';
import { commandOrder, commandWords } from '../text/commands.ts';
import { CommandDialog } from './command-dialog.tsx';
import type { CommandInput } from './command-dialog.tsx';

type Progress =
  | { readonly kind: 'idle' }
  | { readonly kind: 'pending'; readonly command: Command }
  | { readonly kind: 'answered'; readonly command: Command; readonly ok: boolean; readonly text: string };

/** The operator's commands. Pending until the workflow has answered; its answer is shown as it came. */
export function CommandPanel({
  view,
  explanation,
}: {
  readonly view: HostedVmView;
  readonly explanation: Explanation;
}) {
  const [asking, setAsking] = useState<Command | undefined>(undefined);
  const [progress, setProgress] = useState<Progress>({ kind: 'idle' });
  const answerPlace = useRef<HTMLParagraphElement>(null);
  const allowed = commandOrder.filter((each) => explanation.commands[each].allowed);
  const refused = commandOrder.filter((each) => !explanation.commands[each].allowed);

  const carryOut = async (command: Command, input: CommandInput): Promise<void> => {
    setAsking(undefined);
    setProgress({ kind: 'pending', command });
    answerPlace.current?.focus();
    try {
      const path = `/hosted-vms/${encodeURIComponent(view.id)}/commands/${command}`;
      const result = await send<CommandResult>(path, { requestId: requestId(), ...input });
      const ok = result.kind === 'accepted';
      setProgress({ kind: 'answered', command, ok, text: ok ? result.text : result.reason.text });
    } catch (error) {
      setProgress({
        kind: 'answered',
        command,
        ok: false,
        text: error instanceof Error ? error.message : String(error),
      });
    }
  };

  const busy = progress.kind === 'pending';
  return (
    <section aria-labelledby="commands">
      <h2 id="commands">What you can do</h2>
      <div class="buttons">
        {allowed.map((each) => (
          <button
            type="button"
            key={each}
            class={commandWords[each].dangerous ? 'dangerous' : ''}
            disabled={busy}
            aria-haspopup="dialog"
            onClick={() => setAsking(each)}
          >
            {busy && progress.command === each
              ? `${commandWords[each].label}: pending …`
              : `${commandWords[each].label} …`}
          </button>
        ))}
        {allowed.length === 0 ? <span class="quiet">Nothing now.</span> : null}
      </div>
      <p class={progressClass(progress)} role="status" tabIndex={-1} ref={answerPlace}>
        {progressWords(progress)}
      </p>
      {refused.length === 0 ? null : (
        <ul class="refused">
          {refused.map((each) => (
            <li key={each}>
              <button type="button" aria-disabled="true" aria-describedby={`why-not-${each}`}>
                {commandWords[each].label}
              </button>
              <span id={`why-not-${each}`}>{explanation.commands[each].reason ?? 'not allowed now'}</span>
            </li>
          ))}
        </ul>
      )}
      {asking === undefined ? null : (
        <CommandDialog
          key={asking}
          command={asking}
          view={view}
          explanation={explanation}
          onCancel={() => setAsking(undefined)}
          onConfirm={(input) => void carryOut(asking, input)}
        />
      )}
    </section>
  );
}

function progressWords(progress: Progress): string {
  if (progress.kind === 'idle') return '';
  const { label } = commandWords[progress.command];
  if (progress.kind === 'pending') return `${label}: asked, waiting for the workflow to answer …`;
  return `${label}: ${progress.ok ? 'accepted' : 'refused'}: ${progress.text}`;
}

function progressClass(progress: Progress): string {
  if (progress.kind === 'answered') return progress.ok ? 'answer accepted' : 'answer refused-answer';
  return progress.kind === 'pending' ? 'answer pending' : 'answer';
}

/** A repeat of the same request is answered, not done again. `randomUUID` is missing on plain HTTP away from loopback. */
function requestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
