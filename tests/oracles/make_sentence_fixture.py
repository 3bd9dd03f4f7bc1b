"""Writes tests/fixtures/sentences/xquad.json: where the peers end sentences in xquad's paragraphs.

For each language and paragraph the offsets, in characters and without white space before them, at
which a sentence ends inside the paragraph: by ICU's rules (UAX #29) and by pysbd's. The versions
that were asked are written into the file. In an environment of their own:
    pip install PyICU pysbd
    python tests/oracles/make_sentence_fixture.py ../shared/data/xquad/raw
"""

import importlib.metadata
import json
import pathlib
import sys

import icu
import pysbd

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "sentences" / "xquad.json"
LANGUAGES = ("en", "de", "es", "zh", "ar")


def ends(text, sentences):
    """Offsets behind each sentence's last character, less the paragraph's own end."""
    found, at = [], 0
    for sentence in sentences:
        sentence = sentence.strip()
        if not sentence:
            continue
        at = text.index(sentence, at) + len(sentence)
        found.append(at)
    return found[:-1]


def by_icu(language, text):
    iterator = icu.BreakIterator.createSentenceInstance(icu.Locale(language))
    wide = icu.UnicodeString(text)
    iterator.setText(wide)
    begin, sentences = 0, []
    for end in iterator:
        sentences.append(str(wide[begin:end]))
        begin = end
    return ends(text, sentences)


def main():
    folder = pathlib.Path(sys.argv[1])
    result = {
        "versions": {
            "ICU": icu.ICU_VERSION,
            "PyICU": importlib.metadata.version("PyICU"),
            "pysbd": importlib.metadata.version("pysbd"),
        }
    }
    for language in LANGUAGES:
        articles = json.loads((folder / f"xquad.{language}.json").read_text("utf-8"))["data"]
        texts = [p["context"] for article in articles for p in article["paragraphs"]]
        segmenter = pysbd.Segmenter(language=language, clean=False)
        result[language] = {
            "icu": [by_icu(language, text) for text in texts],
            "pysbd": [ends(text, segmenter.segment(text)) for text in texts],
        }
        print(language, *(sum(map(len, rows)) for rows in result[language].values()))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(result, separators=(",", ":")) + "\n", "utf-8")


main()
