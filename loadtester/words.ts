// Which words does a command line have? Quotes and backslashes as in a shell; whether a shell would do more with it than split it is told, not done.

export type Words =
  /** `plain` is false where a shell would run, read or replace something: pipes, lists, redirections, variables. */
  | { ok: true; words: string[]; plain: boolean }
  | { ok: false; why: string };

const SHELL_ONLY = /[;&|<>()$`\n#]/;

export function splitWords(text: string): Words {
  const words: string[] = [];
  let word: string | undefined;
  let quote: "'" | '"' | undefined;
  let plain = true;
  for (let at = 0; at < text.length; at += 1) {
    const one = text.charAt(at);
    if (one === "\\" && quote !== "'") {
      const next = text.charAt(at + 1);
      at += 1;
      // A line that goes on; manifests break long commands this way.
      if (next === "\n") continue;
      word = `${word ?? ""}${quote === '"' && !/["\\$`]/.test(next) ? "\\" : ""}${next}`;
    } else if (quote !== undefined) {
      if (one === quote) quote = undefined;
      else {
        if (quote === '"' && /[$`]/.test(one)) plain = false;
        word = `${word ?? ""}${one}`;
      }
    } else if (one === "'" || one === '"') {
      quote = one;
      word ??= "";
    } else if (/\s/.test(one)) {
      if (one === "\n" && text.slice(at).trim() !== "" && words.length + (word === undefined ? 0 : 1) > 0) plain = false;
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      // Within a word, # is a letter.
      if (SHELL_ONLY.test(one) && !(one === "#" && word !== undefined)) plain = false;
      word = `${word ?? ""}${one}`;
    }
  }
  if (quote !== undefined) return { ok: false, why: `a ${quote} is opened and never closed` };
  if (word !== undefined) words.push(word);
  return { ok: true, words, plain };
}
