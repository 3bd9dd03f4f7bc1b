"""Small tokenizers of every kind that attune reads through its general engine, made with
`tokenizers` itself: trained on text where a vocabulary is needed, and others that show where a text
is cut or what becomes of its characters. Used by make_tokenizer_fixtures.py and
tokenizer_kinds_parity.py.
"""

import json
import random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
HAN = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^\p{Han}]]+|\s+|[^\s\p{L}]"
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
PATTERNS = dict(gpt2=GPT2, qwen2=QWEN2, llama3=LLAMA3, cl100k=CL100K, o200k=O200K, clip=CLIP,
                deepseek=DEEPSEEK, cjk=CJK, han=HAN, bloom=BLOOM,
                words=r"\w+|[^\w\s]+", sets=r"[\w]+|[\W&&[^\s]]+")
BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def byte_level(add_prefix_space=False, use_regex=True):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True,
            "use_regex": use_regex}


def sequence(kind, *steps):
    key = {"pre": "pretokenizers", "norm": "normalizers", "post": "processors"}[kind]
    return {"type": "Sequence", key: list(steps)}


def byte_characters():
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def added(token_id, content, special=True, **flags):
    flags = {**dict(single_word=False, lstrip=False, rstrip=False, normalized=not special), **flags}
    return dict(id=token_id, content=content, special=special, **flags)


def template(vocabulary, before, after):
    def token(name):
        return {"SpecialToken": {"id": name, "type_id": 0}}

    single = [*map(token, before), {"Sequence": {"id": "A", "type_id": 0}}, *map(token, after)]
    return {"type": "TemplateProcessing", "single": single,
            "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {name: {"id": name, "ids": [vocabulary[name]], "tokens": [name]}
                               for name in {*before, *after}}}


def part(kind, spec):
    """The peer's own object of a section, for training with it."""
    shell = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
             "post_processor": None, "decoder": None,
             "model": {"type": "BPE", "vocab": {}, "merges": []}, kind: spec}
    return getattr(Tokenizer.from_str(json.dumps(shell)), kind)


def train_bpe(texts, size, normalizer=None, pre_tokenizer=None, special=(), alphabet=(), **options):
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer:
        tokenizer.normalizer = part("normalizer", normalizer)
    if pre_tokenizer:
        tokenizer.pre_tokenizer = part("pre_tokenizer", pre_tokenizer)
    suffix = {k: v for k, v in options.items() if k in ("end_of_word_suffix", "continuing_subword_prefix")}
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), show_progress=False,
                                  initial_alphabet=list(alphabet), **suffix)
    tokenizer.train_from_iterator(texts, trainer)
    return json.loads(tokenizer.to_str())


def trained(texts, size, normalizer, pre_tokenizer, special, before=(), after=(), post=None,
            tokens=None, **options):
    file = train_bpe(texts, size, normalizer, pre_tokenizer, special, byte_characters(), **options)
    vocabulary = file["model"]["vocab"]
    file["added_tokens"] = tokens(vocabulary) if tokens else [
        added(vocabulary[name], name) for name in special]
    if before or after:
        file["post_processor"] = template(vocabulary, before, after)
    if post:
        file["post_processor"] = post(vocabulary)
    return file


def gpt2(texts, size):
    return trained(texts, size, None, byte_level(), ["<|endoftext|>"])


def roberta(texts, size):
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    file = trained(texts, size, None, byte_level(), special,
                   post=lambda v: {"type": "RobertaProcessing", "sep": ["</s>", v["</s>"]],
                                   "cls": ["<s>", v["<s>"]], "trim_offsets": True,
                                   "add_prefix_space": False},
                   tokens=lambda v: [added(v[name], name, lstrip=name == "<mask>",
                                           normalized=name == "<mask>") for name in special])
    model = file["model"]
    model["merges"] = [" ".join(merge) for merge in model["merges"]]  # as files of old have them
    model["continuing_subword_prefix"] = model["end_of_word_suffix"] = ""
    return file


def modernbert(texts, size):
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]

    def tokens(vocabulary):
        spaces = [added(len(vocabulary) + i, " " * n, special=False)
                  for i, n in enumerate(range(12, 1, -1))]
        return spaces + [added(vocabulary[name], name, lstrip=name == "[MASK]") for name in special]

    return trained(texts, size, {"type": "NFC"}, byte_level(), special, ["[CLS]"], ["[SEP]"],
                   tokens=tokens)


def qwen3(texts, size):
    pre = sequence("pre", split(QWEN2), byte_level(use_regex=False))
    return trained(texts, size, {"type": "NFC"}, pre, ["<|endoftext|>", "<|im_start|>"],
                   post=lambda v: sequence("post", byte_level(), template(v, [], ["<|endoftext|>"])))


def llama3(texts, size):
    pre = sequence("pre", split(LLAMA3), byte_level(use_regex=False))
    special = ["<|begin_of_text|>", "<|end_of_text|>"]
    file = trained(texts, size, None, pre, special,
                   post=lambda v: sequence("post", byte_level(), template(v, special[:1], special[1:])))
    model = file["model"]
    model["ignore_merges"] = True
    for word in (" Panthers", "\u4e16\u754c", " \u0645\u0646", "qzxqzx"):  # tokens that no merge makes
        cut = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        model["vocab"].setdefault(cut.pre_tokenize_str(word)[0][0], len(model["vocab"]))
    return file


def o200k(texts, size):
    pre = sequence("pre", split(O200K), byte_level(use_regex=False))
    return trained(texts, size, None, pre, ["<|endoftext|>"])


def clip(texts, size):
    normalizer = sequence("norm", {"type": "NFC"},
                          {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                          {"type": "Lowercase"})
    pre = sequence("pre", split(CLIP, "Removed", True), byte_level(use_regex=False))
    file = train_bpe(texts, size, normalizer, pre, ["<|endoftext|>"], byte_characters(),
                     end_of_word_suffix="</w>", unk_token="<|endoftext|>")
    for character in byte_characters():
        file["model"]["vocab"].setdefault(character, len(file["model"]["vocab"]))
    return file


def with_bytes(file, special):
    """The vocabulary with the special tokens and the bytes in front, as sentencepiece has it."""
    names = list(special) + [f"<0x{byte:02X}>" for byte in range(256)]
    names += [token for token in file["model"]["vocab"] if token not in names]
    file["model"]["vocab"] = vocabulary = {name: i for i, name in enumerate(names)}
    file["model"].update(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    file["added_tokens"] = [added(vocabulary[name], name) for name in special]
    return file


def gemma(texts, size):
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    marked = [text.replace(" ", "\u2581") for text in texts]
    words = split("\u2581", "MergedWithNext", kind="String")
    file = with_bytes(train_bpe(marked, size, None, words), special)
    vocabulary = file["model"]["vocab"]
    file["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    file["pre_tokenizer"] = split(" ", "MergedWithPrevious", kind="String")
    file["post_processor"] = template(vocabulary, ["<bos>"], ["<eos>"])
    for count in (2, 3, 4):  # runs of spaces and line feeds are tokens of their own, as there
        for content in ("\u2581" * count, "\n" * count):
            token_id = vocabulary.setdefault(content, len(vocabulary))
            file["added_tokens"].append(added(token_id, content, special=False, normalized=False))
    return file


def llama2(texts, size):
    special = ["<unk>", "<s>", "</s>"]
    file = gemma(texts, size)
    file = with_bytes(file, special)
    file["normalizer"] = sequence("norm", {"type": "Prepend", "prepend": "\u2581"},
                                  {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"})
    file["pre_tokenizer"] = None
    file["post_processor"] = template(file["model"]["vocab"], ["<s>"], [])
    return file


def mistral(texts, size):
    file = llama2(texts, size)
    file["normalizer"] = None
    file["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581",
                             "prepend_scheme": "first", "split": False}
    return file


def prefixed(texts, size):
    file = train_bpe(texts, size, {"type": "NFKC"}, {"type": "BertPreTokenizer"}, ["[UNK]"],
                     continuing_subword_prefix="##", unk_token="[UNK]")
    file["model"]["fuse_unk"] = False
    return file


def word_level(texts, size):
    pre = sequence("pre", {"type": "Whitespace"}, {"type": "Digits", "individual_digits": True})
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = part("pre_tokenizer", pre)
    tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(
        vocab_size=size, special_tokens=["[UNK]"], show_progress=False))
    return json.loads(tokenizer.to_str())


TRAINED = dict(gpt2=gpt2, roberta=roberta, modernbert=modernbert, qwen3=qwen3, llama3=llama3,
               o200k=o200k, clip=clip, gemma=gemma, llama2=llama2, mistral=mistral,
               prefixed=prefixed, word_level=word_level)


def shell(normalizer, pre_tokenizer, vocabulary, **model):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": None,
            "decoder": None, "model": {"type": "BPE", "vocab": vocabulary, "merges": [], **model}}


def cuts(*steps, normalizer=None):
    """A tokenizer whose ids tell every byte and whether a piece begins with it."""
    bytes_ = byte_characters()
    vocabulary = {name: i for i, name in enumerate([*bytes_, *("##" + b for b in bytes_)])}
    return shell(normalizer, sequence("pre", *steps, byte_level(use_regex=False)), vocabulary,
                 continuing_subword_prefix="##")


def pieces():
    """(name, tokenizer.json) of every pre-tokenizer and option."""
    for name, pattern in PATTERNS.items():
        for behavior in BEHAVIORS if name in ("gpt2", "cjk") else BEHAVIORS[:2]:
            for invert in (False, True):
                yield (f"Split {name} {behavior}" + " invert" * invert,
                       cuts(split(pattern, behavior, invert)))
    for behavior in BEHAVIORS:
        yield f"Split String {behavior}", cuts(split("a.", behavior, kind="String"))
        yield f"Split digit {behavior}", cuts(split(r"\d", behavior))
        yield f"Punctuation {behavior}", cuts({"type": "Punctuation", "behavior": behavior})
    for one in (False, True):
        yield f"Digits {one}", cuts({"type": "Digits", "individual_digits": one})
    for kind in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer"):
        yield kind, cuts({"type": kind})
    yield "CharDelimiterSplit", cuts({"type": "CharDelimiterSplit", "delimiter": "\u3000"})
    yield "WhitespaceSplit, Digits", cuts({"type": "WhitespaceSplit"},
                                          {"type": "Digits", "individual_digits": True})
    for scheme in ("always", "first", "never"):
        for cut in (False, True):
            yield (f"Metaspace {scheme} {cut}",
                   cuts({"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme,
                         "split": cut}))
    for add in (False, True):
        file = cuts()
        file["pre_tokenizer"] = byte_level(add)
        yield f"ByteLevel {add}", file


def normalizer_kinds():
    """(name, tokenizer.json) of every normalizer, by bytes: nothing of a character is hidden."""
    kinds = [{"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")]
    kinds += [{"type": "Strip", "strip_left": a, "strip_right": b} for a in (0, 1) for b in (0, 1)]
    for kind in kinds:
        for key in ("strip_left", "strip_right"):
            if key in kind:
                kind[key] = bool(kind[key])
    kinds.append({"type": "Prepend", "prepend": "\u2581"})
    kinds.append({"type": "Replace", "pattern": {"String": "``"}, "content": '"'})
    kinds.append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"})
    kinds.append(sequence("norm", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}))
    kinds.append(sequence("norm"))
    bert = dict(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    kinds.append({"type": "BertNormalizer", **bert})
    for kind in kinds:
        name = " ".join(str(v) for v in kind.values() if not isinstance(v, (dict, list)))
        yield f"normalizer {name}", cuts(normalizer=kind)
    file = cuts()
    file["normalizer"], file["pre_tokenizer"] = {"type": "ByteLevel"}, None
    yield "normalizer ByteLevel", file


def random_pattern(rng, depth=0):
    """A pattern of the language in split_pattern.h; it may still be refused."""
    atoms = [r"\p{L}", r"\p{N}", r"\s", r"\S", r"\w", r"\d", r"[^\s\p{L}]", "[a-m]", "a", "b", " ",
             ".", r"[\p{Lu}\p{M}]", r"[\w&&[^\d]]", r"\p{^Ll}", "(?i:s|k)", "(?i:[a-s])", r"\n",
             "\u00e9", r"\x{4e00}", r"[^a\-b\]]", r"\P{Ll}", r"\W", "[[a-c]\u4e00-\u4fff]"]

    def atom():
        if depth < 2 and rng.random() < 0.2:
            return rng.choice(("(?:%s)", "(%s)", "(?>%s)")) % random_pattern(rng, depth + 1)
        return rng.choice(atoms)

    def repeated():
        text = atom()
        signs = ["", "", "?", "{1,2}", "{2}", "??"] + (
            [] if text.startswith("(") else ["+", "*", "+?", "*?", "++", "*+", "?+", "{2,}"])
        return text + rng.choice(signs)

    branches = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        branch = "".join(repeated() for _ in range(rng.choice((1, 2, 2, 3))))
        if rng.random() < 0.2:
            branch += rng.choice(("(?!%s)", "(?=%s)")) % atom()
        branches.append(branch)
    return "|".join(branches)


def random_patterns(count, seed=1):
    rng = random.Random(seed)
    return [random_pattern(rng) for _ in range(count)]
