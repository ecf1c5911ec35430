/** Why a request gets no answer; these are counter names too. */
export type IgnoreReason =
  | "foreign-relay" // forwarded from a network that is not ours
  | "foreign-network" // a client or a node that does not belong to the network it asks from
  | "conflict" // what it says of itself points to more than one node
  | "unknown-machine" // not in the inventory, and the configuration says to ignore those
  | "pool-exhausted"
  | "other-server" // the client chose another server
  | "no-address-asked" // a REQUEST, RELEASE or DECLINE that names none
  | "no-record" // asks for its old address, of which we know nothing (RFC 2131 section 4.3.2)
  | "not-ours" // asks for what may be another server's to refuse: we are not authoritative
  | "not-holder" // gives back or declines what it does not have
  | "server-message"; // OFFER, ACK, NAK: nothing a client sends
