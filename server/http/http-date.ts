/** Dates of HTTP header fields (RFC 9110 section 5.6.7), all of them UTC and to the second. */

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const [month, time] = [`(?<month>${months.join("|")})`, String.raw`(?<h>\d\d):(?<m>\d\d):(?<s>\d\d)`];

/** IMF-fixdate, and the two obsolete forms that a recipient has to read: RFC 850's and asctime(3)'s. */
const forms = [
  new RegExp(String.raw`^[A-Z][a-z]{2}, (?<day>\d\d) ${month} (?<year>\d{4}) ${time} GMT$`),
  new RegExp(String.raw`^[A-Z][a-z]{5,8}, (?<day>\d\d)-${month}-(?<year>\d\d) ${time} GMT$`),
  new RegExp(String.raw`^[A-Z][a-z]{2} ${month} (?<day>[ \d]\d) ${time} (?<year>\d{4})$`),
];

/** Milliseconds since 1970; undefined for what is no date. `nowMs` places RFC 850's years of two digits. */
export function parseHttpDate(text: string, nowMs: number): number | undefined {
  for (const form of forms) {
    const found = form.exec(text)?.groups;
    if (found === undefined) continue;
    const part = (name: string): number => Number(found[name]);
    const year = found["year"]?.length === 2 ? wholeYear(part("year"), nowMs) : part("year");
    const monthIndex = months.indexOf(found["month"] ?? "");
    return Date.UTC(year, monthIndex, part("day"), part("h"), part("m"), part("s"));
  }
  return undefined;
}

/** "A date that appears to be more than 50 years in the future" is one of the past (section 5.6.7). */
function wholeYear(twoDigits: number, nowMs: number): number {
  const now = new Date(nowMs).getUTCFullYear();
  const year = now - (now % 100) + twoDigits;
  return year > now + 50 ? year - 100 : year;
}
