// Functions that Playwright sends into the page. Plain JavaScript, because the tests are typed for Node and not for a
// browser; each stands alone, because only its own source is sent.

/** Texts whose contrast with what is behind them is below `least` (WCAG 2.2, 1.4.3), with the ratio. */
export function faintTexts(least) {
  const parse = (color) => {
    const [r = 0, g = 0, b = 0, a = 1] = (color.match(/[\d.]+/g) ?? []).map(Number);
    return [r, g, b, a];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const luminance = (color) => {
    const [r, g, b] = color.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (element) => {
    const chain = [];
    for (let at = element; at !== null; at = at.parentElement) chain.unshift(at);
    return chain.reduce(
      (ground, each) => over(parse(getComputedStyle(each).backgroundColor), ground),
      [255, 255, 255, 1],
    );
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const texts = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
    const said = texts
      .map((node) => node.textContent)
      .join('')
      .trim();
    if (said === '' || element.closest('svg, noscript, script, .plot-readout') !== null) continue;
    const ground = groundOf(element);
    const text = over(parse(getComputedStyle(element).color), ground);
    const [light, dark] = [luminance(text), luminance(ground)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < least) faint.push(`${said.slice(0, 40)} (${ratio.toFixed(2)})`);
  }
  return faint;
}

/** How far the page can be scrolled sideways, in CSS pixels. */
export function sideways() {
  return Math.max(0, document.documentElement.scrollWidth - innerWidth);
}

export function nothingIsBeingRead() {
  return !document.body.textContent.includes('Reading ');
}

export function firstRowIs(name) {
  return document.querySelector('tbody th a')?.textContent === name;
}

/** The name of what has the keyboard's focus: its label, or its own words. */
export function focusedName() {
  const element = document.activeElement;
  return (element?.labels?.[0]?.childNodes[0]?.textContent ?? element?.textContent ?? '').trim();
}

/** Scrolls from top to bottom in sixty steps. @returns the longest time between two frames, in milliseconds */
export async function longestFrameWhileScrolling() {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const height = document.documentElement.scrollHeight - innerHeight;
  let last = await frame();
  let longest = 0;
  for (let step = 1; step <= 60; step += 1) {
    scrollTo(0, (height * step) / 60);
    const at = await frame();
    longest = Math.max(longest, at - last);
    last = at;
  }
  return longest;
}
