/** Something went wrong on the way here: what, and that the figures below may be old. */
export function Trouble({ text, stale }: { readonly text: string | undefined; readonly stale: boolean }) {
  if (text === undefined) return null;
  return (
    <p class="trouble" role="alert">
      {text}
      {stale ? ' What is shown below is from before.' : ''}
    </p>
  );
}

export function Loading({ what }: { readonly what: string }) {
  return (
    <p class="quiet" role="status">
      Reading {what} …
    </p>
  );
}
