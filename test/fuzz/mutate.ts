/** Numbers in [0, 1), reproducible from a seed. */
export type Random = () => number;

/** mulberry32: small, quick, and good enough to choose mutations by. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export type Material = {
  /** Inputs to splice with. */
  corpus: readonly Uint8Array[];
  /** Byte strings that mean something to the decoder. */
  words: readonly Uint8Array[];
  longest: number;
};

type Mutation = (bytes: Uint8Array, random: Random, material: Material) => Uint8Array;

/** Values at which lengths and counters turn over. */
const interesting = [0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 63, 64, 127, 128, 129, 252, 253, 254, 255];

/** A changed copy: one to eight small changes, as corrupted or hostile packets have them. */
export function mutate(bytes: Uint8Array, random: Random, material: Material): Uint8Array {
  let changed: Uint8Array = bytes.slice();
  const times = 1 + below(random, 8);
  for (let time = 0; time < times; time += 1) changed = pick(random, mutations)(changed, random, material);
  return changed.subarray(0, material.longest);
}

const mutations: readonly Mutation[] = [
  function flipBit(bytes, random) {
    if (bytes.length > 0) {
      const at = below(random, bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
    }
    return bytes;
  },
  function setByte(bytes, random) {
    if (bytes.length > 0) bytes[below(random, bytes.length)] = pick(random, interesting);
    return bytes;
  },
  function addToByte(bytes, random) {
    if (bytes.length > 0) {
      const at = below(random, bytes.length);
      bytes[at] = (bytes[at] ?? 0) + below(random, 32) - 16;
    }
    return bytes;
  },
  function cutOff(bytes, random) {
    return bytes.slice(0, below(random, bytes.length + 1));
  },
  function remove(bytes, random) {
    const from = below(random, bytes.length + 1);
    return joined(bytes.subarray(0, from), bytes.subarray(from + 1 + below(random, 16)));
  },
  function repeat(bytes, random) {
    const from = below(random, bytes.length + 1);
    const piece = bytes.subarray(from, from + 1 + below(random, 64));
    return joined(bytes.subarray(0, from), piece, piece, bytes.subarray(from + piece.length));
  },
  function insertRandom(bytes, random) {
    const piece = Uint8Array.from({ length: 1 + below(random, 16) }, () => below(random, 256));
    return inserted(bytes, piece, random);
  },
  function insertWord(bytes, random, { words }) {
    return words.length === 0 ? bytes : inserted(bytes, pick(random, words), random);
  },
  function overwriteWithWord(bytes, random, { words }) {
    if (words.length === 0) return bytes;
    const word = pick(random, words);
    const at = below(random, bytes.length + 1);
    return joined(bytes.subarray(0, at), word, bytes.subarray(at + word.length));
  },
  function splice(bytes, random, { corpus }) {
    if (corpus.length === 0) return bytes;
    const other = pick(random, corpus);
    return joined(
      bytes.subarray(0, below(random, bytes.length + 1)),
      other.subarray(below(random, other.length + 1)),
    );
  },
];

function inserted(bytes: Uint8Array, piece: Uint8Array, random: Random): Uint8Array {
  const at = below(random, bytes.length + 1);
  return joined(bytes.subarray(0, at), piece, bytes.subarray(at));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

function pick<T>(random: Random, list: readonly T[]): T {
  const item = list[below(random, list.length)];
  if (item === undefined) throw new RangeError("nothing to choose from");
  return item;
}
