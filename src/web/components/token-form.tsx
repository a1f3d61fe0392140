import { useState } from 'preact/hooks';
import { giveToken } from '../api/token.ts';

/** Shown once the API has answered that it wants a token. It is kept in this tab only. */
export function TokenForm() {
  const [text, setText] = useState('');
  const submit = (event: Event): void => {
    event.preventDefault();
    giveToken(text.trim());
    location.reload();
  };
  return (
    <form class="token" onSubmit={submit}>
      <h1 tabIndex={-1}>Umbra wants a token.</h1>
      <p>
        This address is not loopback, so the API asks who you are. Your administrator has tokens for viewers, operators
        and admins.
      </p>
      <label>
        Token
        <input
          type="password"
          value={text}
          autoComplete="off"
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <div class="buttons">
        <button type="submit" class="primary" disabled={text.trim() === ''}>
          Open the dashboard
        </button>
      </div>
    </form>
  );
}
