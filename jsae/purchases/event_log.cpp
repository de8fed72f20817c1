// One look at a block of an event log, where event_log.py looks with Python's own means once for each question.

#include <stdint.h>

typedef uint8_t Bytes __attribute__((vector_size(32)));

static const long LANES = 32;
static const char WORD[] = ",purchase,";
static const long LENGTH = sizeof WORD - 1;

static inline Bytes load(const uint8_t* from) {
    Bytes v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

static inline Bytes all(uint8_t x) { return (Bytes){} + x; }

static inline long sum(Bytes v) {
    long total = 0;
    for (long i = 0; i < LANES; i++) total += v[i];
    return total;
}

static inline bool any(Bytes v) {
    uint64_t words[4];
    __builtin_memcpy(words, &v, sizeof words);
    return words[0] | words[1] | words[2] | words[3];
}

static inline bool is_word(const uint8_t* text) {
    for (long i = 0; i < LENGTH; i++)
        if (text[i] != (uint8_t)WORD[i]) return false;
    return true;
}

struct Seen {
    int64_t lines, commas, quotes, not_ascii, rows;  // how many; of quotes and what is not ASCII only whether
};

struct Row {
    int64_t line, start, end;  // lines before it, and where it lies
};

// If the word stands at `place`, and not in the last row already, add its row. There are `lines` before `counted`.
static void add(const uint8_t* text, long length, long place, long lines, long counted, int64_t* count, Row* rows) {
    if (!is_word(text + place) || (*count && place < rows[*count - 1].end)) return;
    long start = place, end = place;
    while (start > 0 && text[start - 1] != '\n') start--;
    while (end < length && text[end] != '\n') end++;
    for (long i = counted; i < start; i++) lines += text[i] == '\n';
    for (long i = start; i < counted; i++) lines -= text[i] == '\n';
    rows[(*count)++] = {lines, start, end};
}

// Counts of a text, and the rows with the word, for each of which there is room.
extern "C" void look(const uint8_t* text, int64_t length, Seen* seen, Row* rows) {
    Seen found = {};
    Bytes quotes = {}, high = {};
    long i = 0;
    while (i + LANES + LENGTH <= length) {
        Bytes lines = {}, commas = {};
        const long last = length - LANES - LENGTH, stop = last < i + 254 * LANES ? last : i + 254 * LANES;
        for (; i <= stop; i += LANES) {  // at most 255 times: a lane counts no further
            const Bytes v = load(text + i), newline = (Bytes)(v == all('\n')), comma = (Bytes)(v == all(','));
            const Bytes word =
                comma & (Bytes)(load(text + i + 1) == all('p')) & (Bytes)(load(text + i + 2) == all('u'));
            if (any(word)) {
                for (long k = i; k < i + LANES; k++)
                    if (word[k - i]) add(text, length, k, found.lines + sum(lines), i, &found.rows, rows);
            }
            lines -= newline;
            commas -= comma;
            quotes |= (Bytes)(v == all('"'));
            high |= v;
        }
        found.lines += sum(lines);
        found.commas += sum(commas);
    }
    found.quotes = any(quotes);
    found.not_ascii = any(high & all(0x80));
    for (; i < length; i++) {
        if (i + LENGTH <= length) add(text, length, i, found.lines, i, &found.rows, rows);
        found.lines += text[i] == '\n';
        found.commas += text[i] == ',';
        found.quotes |= text[i] == '"';
        found.not_ascii |= text[i] >= 0x80;
    }
    *seen = found;
}
