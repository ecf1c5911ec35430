/**
 * The same function, but what it makes of an object is made once and kept for as long as there is that object. For
 * values that follow from the object alone, which nobody changes: configuration and inventory are replaced, not edited.
 */
export function keptFor<Key extends object, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const kept = new WeakMap<Key, Value>();
  return (key) => {
    const known = kept.get(key);
    if (known !== undefined) return known;
    const made = make(key);
    kept.set(key, made);
    return made;
  };
}
