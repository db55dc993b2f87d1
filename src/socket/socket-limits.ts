/**
 * What one peer on a unix socket may ask of this process. The peers are Dovecot's own processes, but
 * what they send is shaped by users.
 */
export const SOCKET_LIMITS = {
  /**
   * Connections that wait to be accepted (the kernel caps it at net.core.somaxconn). Sieve gives up
   * connecting after 5 ms, so a burst of deliveries must find room here.
   */
  backlog: 4_096,
  /** Connections open at once; above it a new one is closed without a word. */
  connections: 8_192,
  /** The longest socket path that Linux can bind or connect to (sun_path without its final NUL). */
  pathOctets: 107,
  /** How long {@link UnixServer.close} waits for replies that are under way. */
  graceMsecs: 5_000,

  /** A dict request without its line feed, as in Dovecot's own dict server … */
  dictLineOctets: 64 * 1_024,
  /**
   * … but for the value of an annotation. The protocol knows no limit: Dovecot's clients send and take any
   * length (SIZE_MAX in dict-client.c), as its file dict does.
   */
  dictValueOctets: 1_024 * 1_024,
  /** A request that sets one: the longest value with every octet escaped, and its key. */
  dictSetOctets: 2 * 1_024 * 1_024 + 64 * 1_024,
  /** Unanswered dict commands on one connection before it is no longer read, as in Dovecot's. */
  dictPendingCommands: 1_000,
  /** The same of all connections; past it, only those are read that have few. */
  dictAllCommands: 16_384,
  dictReservedCommands: 8,
  /** Requests of all connections that were read and not looked at; past it, who sends many is cut off. */
  dictWaitingOctets: 128 * 1_024 * 1_024,
  /** So much may wait on each connection anyway. */
  dictReservedWaitingOctets: 16 * 1_024,
  /** Dict transactions begun on one connection and not ended; Dovecot has one or two. */
  dictOpenTransactions: 1_000,
  /** Keys and values of one dict transaction: a user may SETMETADATA any number of entries. */
  dictTransactionOctets: 8 * 1_024 * 1_024,
  /** Of all open on one connection; those that rested longest are dropped. */
  dictConnectionOctets: 16 * 1_024 * 1_024,
  /** Of all connections together, lines that have not ended among them, beyond what each has reserved. */
  dictAllOctets: 128 * 1_024 * 1_024,
  /** Nearly all of Dovecot's transactions are smaller, and so are dropped for nobody. */
  dictReservedOctets: 16 * 1_024,
  /** Lookups and iterations of one connection that are worked on at once; the others wait. */
  dictReads: 32,
  /** Connections whose peers do not read what they asked for; the one that stalls longest is closed. */
  dictStalledConnections: 128,
  /** Rows of a sorted iteration, which must be there all at once. Dovecot asks for no such thing. */
  dictSortedOctets: 4 * 1_024 * 1_024,
  /**
   * Dovecot gives up on a dict reply after 30 s (65 s after 2.4.4), closes the connection, and cannot
   * tell then whether a commit took place. Answering before that keeps both.
   */
  dictReplyMsecs: 25_000,

  /** Everything before the message: version, environment, arguments. */
  scriptHeaderOctets: 64 * 1_024,
  /** The part of a message that is kept; what goes beyond is read and dropped. */
  scriptMessageOctets: 16 * 1_024 * 1_024,
  /** Of all bodies that come in at once, over HTTP as well. */
  bodyOctets: 256 * 1_024 * 1_024,
  /**
   * From connecting to the answer. Sieve itself waits 10 s unless set, and the delivery with it; our
   * snippets set 1 s.
   */
  scriptRequestMsecs: 5_000,
} as const;
