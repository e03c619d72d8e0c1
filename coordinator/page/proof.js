// Checks an inclusion proof as RFC 6962 (section 2.1.1) has it, and the coordinator's signature under the checkpoint
// that it leads to, with the browser's own SHA-256 and Ed25519. The coordinator is asked for bytes, never for verdicts.

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const hex = (array) => Array.from(array, (byte) => byte.toString(16).padStart(2, "0")).join("");
const join = (...arrays) => {
  const all = new Uint8Array(arrays.reduce((sum, array) => sum + array.length, 0));
  arrays.reduce((at, array) => { all.set(array, at); return at + array.length; }, 0);
  return all;
};
const sha256 = async (data) => new Uint8Array(await crypto.subtle.digest("SHA-256", data));
const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** The lines of a checkpoint note: its text, what it says, and the signatures below. */
export function checkpoint(note) {
  const cut = note.indexOf("\n\n");
  if (cut < 0) throw new Error("the checkpoint is no signed note");
  const text = note.slice(0, cut + 1);
  const [origin, size, root, ...more] = text.split("\n");
  if (!/^\d+$/.test(size ?? "")) throw new Error("the checkpoint says no size");
  const signatures = note.slice(cut + 2).split("\n").filter((line) => line.startsWith("— ")).map((line) => {
    const [, name, signature] = line.split(" ");
    return { name, bytes: bytes(signature) };
  });
  const state = more.find((line) => line.startsWith("state "));
  return { text, origin, size: Number(size), root: bytes(root), state: state && bytes(state.slice(6)), signatures };
}

/** The hashes from a leaf to the root, each with what it was combined with. */
async function climb(leaf, index, size, path) {
  let [position, last, hash] = [index, size - 1, leaf];
  const steps = [];
  for (const sibling of path) {
    if (last === 0) throw new Error("the proof is longer than the tree is high");
    const isRight = position % 2 === 1 || position === last;
    hash = await sha256(isRight ? join([1], sibling, hash) : join([1], hash, sibling));
    steps.push({ sibling, side: isRight ? "left" : "right", hash });
    if (isRight) {
      while (position % 2 === 0 && position !== 0) {
        position = Math.floor(position / 2);
        last = Math.floor(last / 2);
      }
    }
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new Error("the proof is shorter than the tree is high");
  return { root: hash, steps };
}

/** Whether the coordinator's key signed the checkpoint; null where this browser has no Ed25519. */
async function signed(note, key) {
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  } catch {
    return null;
  }
  const name = new TextEncoder().encode(note.origin);
  const id = (await sha256(join(name, [10, 1], key))).slice(0, 4);
  const line = note.signatures.find((signature) => signature.name === note.origin && same(signature.bytes.slice(0, 4), id));
  if (!line) return false;
  return crypto.subtle.verify("Ed25519", imported, line.bytes.slice(4), new TextEncoder().encode(note.text));
}

/** Checks what `GET /v1/ledger/entries/{index}` answered. Throws with the reason where something does not fit. */
export async function check(answer, coordinatorKey) {
  if (!globalThis.crypto?.subtle) throw new Error("this browser hashes only on pages loaded over HTTPS");
  const note = checkpoint(answer.checkpoint);
  if (note.size !== answer.size) throw new Error("the proof is for another size than the checkpoint");
  if (answer.index >= note.size) throw new Error("the entry lies beyond the checkpoint");
  const leaf = await sha256(join([0], bytes(answer.entry)));
  const { root, steps } = await climb(leaf, answer.index, note.size, answer.path.map(bytes));
  return { note, leaf, steps, root, included: same(root, note.root), signature: await signed(note, unhex(coordinatorKey)) };
}
