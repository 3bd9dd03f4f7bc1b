"""Texts, pairs and data sets made from a seeded word list: the parity never depends on foreign
data.
"""

import json
import random

COMMON = """
about above across after again air all along also always an and animal another answer any are
around as ask at away back be because been before began below between big book both but by call
came can car carry change children city close come country cut day different do does door down
each early earth eat end enough even every eye face family far father feet few find first follow
food for form found four from girl give go good great group grow had hand hard has have he head
hear help her here high him his home horse house how if important in into is it its just keep kind
know land large last later learn leave left letter life light like line list little live long look
made make man many may me mean men might mile more morning most mother mountain move much must my
name near need never new next night no not now number of off often old on once one only open or
other our out over own page paper part people place plant play point read really right river road
room run said same saw say school sea second see sentence set she should show side small so some
something song soon sound spell stand start state still stop story study such sun table take talk
tell than that the their them then there these they thing think this those thought three through
time to together too took tree try turn two under until up us use very walk want was watch water
way we well went were what when where which while white who why will with without word work world
would write year you young your
""".split()
SYLLABLES = """
ba ce di fo gu ka le mi no pu ra se ti vo xu za bren crol dist fern glim hask trov plen
""".split()
MARKS = [".", ",", ";", ":", "!", "?", " -", " (", ")", "'s", '"', "...", "/", "%"]
ODD = [
    "",
    " ",
    "\n\t ",
    "[CLS] [SEP] [MASK]",
    "a" * 150,
    "x" * 3000,
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m",
    "\u6771\u4eac\u90fd\u306b\u884c\u304f",
    "\ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8",
    "\u0645\u0631\u062d\u0628\u0627",
    "\u0130stanbul \u0131\u015f\u0131k \u00df \ufb01ne",
    "zero\u200bwidth\u00adsoft\u00a0space\u3000wide",
    "\U0001f600\U0001f469\u200d\U0001f4bb",
    "\u0000null\u0007bell\ufffdreplaced",
    "e\u0301\u0323\u0302",
    "1,234.56e-7",
    "don't can't o'clock",
    "https://a.example/b?c=d&e=f",
    "snake_case camelCase kebab-case",
    "\u2019quoted\u201d\u2014dash",
]


class Words:
    """A seeded source of words, sentences and passages."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        made = {
            "".join(self.random.choices(SYLLABLES, k=self.random.randint(2, 4))) for _ in range(400)
        }
        self.rare = sorted(made)

    def word(self):
        word = (
            self.random.choice(COMMON)
            if self.random.random() < 0.75
            else self.random.choice(self.rare)
        )
        return word.capitalize() if self.random.random() < 0.08 else word

    def text(self, low, high):
        count = int(low * (high / low) ** self.random.random())  # short ones as often as long ones
        words = []
        for _ in range(count):
            mark = self.random.choice(MARKS) if self.random.random() < 0.12 else ""
            words.append(self.word() + mark)
        return " ".join(words)

    def unicode_text(self):
        blocks = [
            (0x20, 0x7E),
            (0xA0, 0x24F),
            (0x300, 0x36F),
            (0x370, 0x5FF),
            (0x600, 0x6FF),
            (0x900, 0x97F),
            (0x1100, 0x11FF),
            (0x1E00, 0x1FFF),
            (0x2000, 0x206F),
            (0x20A0, 0x2BFF),
            (0x3000, 0x30FF),
            (0x4E00, 0x9FFF),
            (0xAC00, 0xD7A3),
            (0xF900, 0xFAFF),
            (0xFB00, 0xFDFF),
            (0xFE00, 0xFFFD),
            (0x10000, 0x100FF),
            (0x1D400, 0x1D7FF),
            (0x1F300, 0x1FAFF),
            (0x20000, 0x2A6DF),
        ]
        points = []
        for _ in range(self.random.randint(1, 24)):
            low, high = self.random.choice(blocks)
            points.append(chr(self.random.randint(low, high)))
            if self.random.random() < 0.2:
                points.append(" ")
        return "".join(points)

    def question_of(self, passage):
        """Shares some of the passage's words, so that training has something to learn."""
        words = [word for word in passage.split() if len(word) > 3] or passage.split()
        picked = self.random.sample(words, min(len(words), self.random.randint(2, 5)))
        return (
            " ".join([self.random.choice(("what", "where", "how", "why")), *picked, self.word()])
            + "?"
        )


def mixed_texts(seed, count):
    """Sentences, passages beyond the limit, random Unicode and the odd ones."""
    words = Words(seed)
    texts = list(ODD)
    while len(texts) < count:
        texts.append(words.unicode_text() if len(texts) % 3 == 0 else words.text(1, 180))
    return texts[:count]


def plain_texts(seed, count, low=1, high=90):
    words = Words(seed)
    return [words.text(low, high) for _ in range(count)]


def training_rows(seed, count, negatives=0, low=6, high=60):
    """Rows (query, positive, negative, ...); two queries a passage, as LlamaIndex makes them."""
    words = Words(seed)
    passages = [words.text(low, high) for _ in range((count + 1) // 2)]
    rows = []
    for i in range(count):
        passage = passages[i // 2]
        others = words.random.sample([p for p in passages if p != passage], negatives)
        rows.append((words.question_of(passage), passage, *others))
    return rows


def write_dataset(path, queries, corpus, relevant):
    value = {"queries": queries, "corpus": corpus, "relevant_docs": relevant, "mode": "text"}
    path.write_text(json.dumps(value, indent=4), encoding="utf-8")
    return path


def write_rows(directory, name, rows):
    """The rows as a QA data set and, with negatives, its sidecar; returns both paths (or None)."""
    ids, queries, relevant, sidecar = {}, {}, {}, []
    for i, row in enumerate(rows):
        for text in row[1:]:
            ids.setdefault(text, f"d{len(ids):05d}")
        queries[f"q{i:05d}"] = row[0]
        relevant[f"q{i:05d}"] = [ids[row[1]]]
        sidecar.append({"query_id": f"q{i:05d}", "negatives": [ids[text] for text in row[2:]]})
    corpus = {identity: text for text, identity in ids.items()}
    path = write_dataset(directory / f"{name}.json", queries, corpus, relevant)
    if len(rows[0]) == 2:
        return path, None
    negatives = directory / f"{name}.negatives.jsonl"
    negatives.write_text("".join(json.dumps(line) + "\n" for line in sidecar), encoding="utf-8")
    return path, negatives


def retrieval_set(seed, documents, questions):
    """(queries, corpus, relevant): one to three relevant passages a query, ids in no order."""
    words = Words(seed)
    corpus = {f"doc-{(i * 7919) % 100003:06d}": words.text(8, 60) for i in range(documents)}
    ids, queries, relevant = list(corpus), {}, {}
    for i in range(questions):
        main = words.random.choice(ids)
        queries[f"query-{i:04d}"] = words.question_of(corpus[main])
        others = words.random.sample(ids, words.random.randint(0, 2))
        relevant[f"query-{i:04d}"] = list(dict.fromkeys([main, *others]))
    return queries, corpus, relevant
