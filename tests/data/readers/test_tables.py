"""Tables as spreadsheets, pandas, Kaggle and Hugging Face write them, against the files that they name."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from data_helpers import mnist_digits, write_picture

from foveal.data.images import Files, Parts, in_class_order
from foveal.data.readers.tables import is_table, scan_table
from foveal.data.tree import Stamp, Tree, open_folder
from foveal.errors import DataError

FOUR = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")


def pictures(*names: str, origin: str = "/data/pictures") -> Tree:
    """Files of these names; what is in them is of no concern to a table."""
    return Tree(Path(origin), {name: Stamp(3, 1) for name in sorted(names)}, lambda name: name.encode())


def scanned(text: str | bytes, images: Tree | None = None, origin: str = "labels.csv", **settings: Any) -> Parts:
    content = text if isinstance(text, bytes) else text.encode()
    return scan_table(content, origin, images or pictures(*FOUR), **settings)


def said(parts: Parts, part: str = "all") -> list[tuple[str, str]]:
    """The name and the class of each image of a part."""
    images = parts[part]
    return [(name, images.classes[label]) for name, label in zip(images.names, images.labels.tolist(), strict=True)]


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


CATS_AND_DOGS = [("a.jpg", "cat"), ("b.jpg", "dog"), ("c.jpg", "cat"), ("d.jpg", "dog")]
PLAIN = lines("file,label", *(",".join(row) for row in CATS_AND_DOGS))
QUOTED = lines('"file","label"', *(f'"{name}","{label}"' for name, label in CATS_AND_DOGS))


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("labels.csv", True),
        ("LABELS.CSV", True),
        ("a.tsv", True),
        ("metadata.jsonl", True),
        ("a.ndjson", True),
        ("a.txt", False),
        ("csv", False),
        ("a.csv.gz", False),
        ("a.json", False),
    ],
)
def test_a_table_is_told_by_its_ending(name: str, is_one: bool) -> None:
    assert is_table(name) is is_one


DIALECTS = {
    "commas": PLAIN,
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "pipes": PLAIN.replace(",", "|"),
    "quotes": QUOTED,
    "quoted semicolons": QUOTED.replace(",", ";"),
    "spaces behind commas": QUOTED.replace(",", ", "),
    "spaces around cells": PLAIN.replace(",", " , "),
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "CR": PLAIN.replace("\n", "\r"),
    "no line end": PLAIN.rstrip("\n"),
    "blank lines": PLAIN.replace("\n", "\n\n") + "\n  \n",
    "rows of nothing but commas": PLAIN + ",\n,\n",
    "a comma too many in each row": PLAIN.replace("cat\n", "cat,\n"),
    "no header": PLAIN.partition("\n")[2],
    "UTF-8 with BOM": PLAIN.encode("utf-8-sig"),
    "UTF-16 little endian": b"\xff\xfe" + PLAIN.encode("utf-16-le"),
    "UTF-16 big endian": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=list(DIALECTS))
def test_all_dialects_say_the_same(text: str | bytes) -> None:
    parts = scanned(text)
    assert list(parts) == ["all"]
    assert said(parts) == CATS_AND_DOGS
    assert parts["all"].classes == ("cat", "dog")
    assert parts["all"].origin == "labels.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_letters_beyond_ascii_are_read_in_every_encoding(encoding: str) -> None:
    content = lines("file,label", "a.jpg,Bär", "b.jpg,Löwe").encode(encoding)
    assert scanned(content)["all"].classes == ("Bär", "Löwe")


@pytest.mark.parametrize("label", ["cat; dog", "a|b", "tab\tbed", 'the "cat"', "cat, black"])
def test_a_quoted_cell_may_hold_delimiters_and_quotes(label: str) -> None:
    cell = label.replace('"', '""')
    assert said(scanned(lines("file,label", f'a.jpg,"{cell}"', "b.jpg,dog")))[0] == ("a.jpg", label)


def test_the_delimiter_is_what_divides_the_lines_alike_and_not_what_is_most_frequent() -> None:
    text = lines("file;label", *(f"{name};one, two, three, {i}" for i, name in enumerate(FOUR)))
    assert scanned(text)["all"].classes[0] == "one, two, three, 0"


def test_json_lines_are_read_with_numbers_and_lists_of_one() -> None:
    rows: list[dict[str, Any]] = [
        {"file_name": "a.jpg", "label": 10},
        {"file_name": "b.jpg", "label": 2},
        {"label": ["3"], "file_name": "c.jpg", "more": None},
        {"file_name": "d.jpg", "label": " 2 "},
    ]
    text = "\n\n".join(map(json.dumps, rows))
    parts = scanned(text, origin="metadata.jsonl")
    assert said(parts) == [("a.jpg", "10"), ("b.jpg", "2"), ("c.jpg", "3"), ("d.jpg", "2")]
    assert parts["all"].classes == ("2", "3", "10")


HEADERS = {
    "as Hugging Face": "file_name,label",
    "as Kaggle": "id,breed",
    "in capitals": "Image,Class",
    "with a space": "Image Name,Ground Truth",
    "label first": "label,file",
    "no name that is known": "observation,what",
    "pandas' index": ",image,label",
    "pandas' index, read again": "Unnamed: 0,image,label",
    "other columns": "width,path,category,height",
    "an id beside the file": "image_id,filename,species",
    "numbers beside names": "image,class_id,class_name",
    "as HAM10000": "lesion_id,image_id,dx,dx_type,age,sex,localization",
}


def cells_of(column: str) -> Sequence[str]:
    if column in ("", "Unnamed: 0", "width", "height", "age"):
        return ["0", "1", "2", "3"]
    if column in ("dx_type", "sex", "localization", "lesion_id"):
        return ["x", "x", "y", "y"]
    if column in ("image_id", "id"):
        return ["a", "b", "c", "d"]
    if column == "class_id":
        return ["0", "1", "0", "1"]
    is_image = column.lower().startswith(("file", "image", "path", "observation"))
    return [row[0 if is_image else 1] for row in CATS_AND_DOGS]


@pytest.mark.parametrize("header", HEADERS.values(), ids=list(HEADERS))
def test_the_columns_of_images_and_classes_are_found(header: str) -> None:
    columns = [cells_of(column) for column in header.split(",")]
    text = lines(header, *(",".join(row) for row in zip(*columns, strict=True)))
    assert said(scanned(text)) == CATS_AND_DOGS


def test_a_column_that_names_files_is_preferred_to_one_that_is_called_like_it() -> None:
    text = lines("image,photo,label", "1,a.jpg,cat", "2,b.jpg,dog", "3,c.jpg,cat")
    assert said(scanned(text)) == CATS_AND_DOGS[:3]


def test_a_class_with_the_name_of_a_file_is_no_image() -> None:
    text = lines("what,observation", "dog,a.jpg", "dog,b.jpg", "cat,cat")
    assert said(scanned(text, pictures("a.jpg", "b.jpg", "cat.jpg"))) == [
        ("a.jpg", "dog"),
        ("b.jpg", "dog"),
        ("cat.jpg", "cat"),
    ]


@pytest.mark.parametrize("header", ["image,y", "label,id", "image,what"])
def test_a_header_is_one_even_where_files_are_called_like_its_columns(header: str) -> None:
    images = pictures("image.jpg", "label.jpg", "id.jpg", "y.jpg", "1.jpg", "2.jpg")
    rows = ("1,p", "2,q") if header.startswith("image") else ("p,1", "q,2")
    assert said(scanned(lines(header, *rows), images)) == [("1.jpg", "p"), ("2.jpg", "q")]


def test_a_first_row_is_data_where_it_names_a_file_even_if_its_class_is_called_like_a_column() -> None:
    assert said(scanned(lines("a,y", "b,n", "c,y"))) == [("a.jpg", "y"), ("b.jpg", "n"), ("c.jpg", "y")]


def test_a_first_row_is_data_where_it_names_a_picture_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"names 1 files \(of 2\) that are not in .*: line 1 'x\.png'\. Add"):
        scanned(lines("x.png,cat", "a.jpg,dog"))


def test_settings_name_the_columns_in_whatever_case() -> None:
    text = lines(
        "one,two,three,four,five", "a.jpg,x.jpg,cat,q,train", "b.jpg,y.jpg,dog,r,test", "c.jpg,z.jpg,dog,r,train"
    )
    parts = scanned(
        text, image_column="ONE", label_column="Three", group_column="four", split_column="five", for_testing=False
    )
    assert said(parts, "train") == [("a.jpg", "cat"), ("c.jpg", "dog")]
    assert said(parts, "test") == [("b.jpg", "dog")]
    assert parts["train"].groups == ("q", "r")
    assert parts["test"].groups == ("r",)


@pytest.mark.parametrize("setting", ["image_column", "label_column", "split_column"])
def test_a_setting_that_names_no_column_is_told_those_that_are_there(setting: str) -> None:
    with pytest.raises(
        DataError, match=rf"has no column 'lable', which data\.{setting} names\. .*'label'\? Known: file, label"
    ):
        scanned(PLAIN, **{setting: "lable"})


def test_a_group_column_that_is_not_there_may_be_a_pattern_and_gives_no_groups() -> None:
    assert scanned(PLAIN, group_column=r"(\w)\.jpg")["all"].groups is None


UNDECIDED = {
    "no column left": (lines("file", "a.jpg", "b.jpg"), "has the columns 'file', and none of them is called like"),
    "two unknown ones": (lines("file,x,z", "a.jpg,1,2", "b.jpg,2,2"), "'file', 'x', 'z', and none of them is called"),
    "two known ones": (
        lines("file,species,breed", "a.jpg,cat,tabby", "b.jpg,cat,persian"),
        r"'species', 'breed', and more than one .* Name the one that is with --set data\.label_column=NAME",
    ),
    "no header and three columns": (
        lines("a.jpg,1,2", "b.jpg,2,2"),
        "has the columns 'column 1', 'column 2', 'column 3', and none",
    ),
    "none for images": (lines("label", "cat", "dog"), "labels.csv line 2 names 'cat', and neither"),
}


@pytest.mark.parametrize(("text", "sentence"), UNDECIDED.values(), ids=list(UNDECIDED))
def test_columns_that_cannot_be_told_are_listed_with_the_setting_that_tells_them(text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        scanned(text)


def test_a_column_without_a_header_is_called_by_its_number() -> None:
    assert said(scanned(lines("a.jpg,1,cat", "b.jpg,2,dog"), label_column="column 3")) == CATS_AND_DOGS[:2]


def test_nothing_is_left_for_images_when_all_columns_are_taken() -> None:
    with pytest.raises(DataError, match=r"has no column left for the names of the images. Add one"):
        scanned(PLAIN, label_column="file", group_column="label")


NAMES = {
    "the very name": ("cats/01.jpg", "cats/01.jpg"),
    "no folder": ("01.jpg", "cats/01.jpg"),
    "no ending": ("cats/01", "cats/01.jpg"),
    "neither": ("01", "cats/01.jpg"),
    "some of the folders": ("cats/01.jpg", "pets/cats/01.jpg"),
    "capitals in the table": ("01.JPG", "01.jpg"),
    "capitals on disk": ("cats/01.jpg", "Cats/01.JPG"),
    "capitals on disk, no ending": ("01", "01.JPG"),
    "backslashes": (r"cats\01.jpg", "cats/01.jpg"),
    "a dot": ("./cats/01.jpg", "cats/01.jpg"),
    "up and down": ("dogs/../cats/01.jpg", "cats/01.jpg"),
    "two slashes": ("cats//01.jpg", "cats/01.jpg"),
    "an absolute path": ("/data/pictures/cats/01.jpg", "cats/01.jpg"),
    "folders above the images": ("pictures/cats/01.jpg", "cats/01.jpg"),
    "another machine": ("/kaggle/input/pets/cats/01.jpg", "cats/01.jpg"),
    "another system": (r"C:\Users\me\cats\01.jpg", "cats/01.jpg"),
    "beside the table's folder": ("../pictures/01.jpg", "01.jpg"),
    "a dot in the name": ("v1.5", "v1.5.png"),
    "composed in the table": ("caf\u00e9.jpg", "cafe\u0301.jpg"),
    "composed on disk": ("cafe\u0301", "caf\u00e9.jpg"),
    "capitals beyond ASCII": ("CAF\u00c9.jpg", "cafe\u0301.jpg"),
    "percent signs": ("a%20b.jpg", "a b.jpg"),
    "percent signs on disk": ("a b.jpg", "a%20b.jpg"),
    "no ending on disk either": ("01", "01"),
    "no picture by its ending": ("01.dat", "01.dat"),
}


@pytest.mark.parametrize(("cell", "name"), NAMES.values(), ids=list(NAMES))
def test_a_file_is_found_however_the_table_writes_its_name(cell: str, name: str) -> None:
    assert said(scanned(lines("file,label", f"{cell},cat"), pictures(name, "other.png"))) == [(name, "cat")]


CHOICES = {
    "the very name before another case": ("01.jpg", ("01.jpg", "01.JPG")),
    "the very name before one further down": ("01.jpg", ("01.jpg", "cats/01.jpg")),
    "one below the root before one further down": ("01", ("01.jpg", "cats/01.jpg")),
    "an ending before a longer name": ("01.jpg", ("01.jpg", "01.jpg.png")),
}


@pytest.mark.parametrize(("cell", "names"), CHOICES.values(), ids=list(CHOICES))
def test_of_several_files_the_one_whose_name_is_nearest_is_taken(cell: str, names: tuple[str, ...]) -> None:
    assert said(scanned(lines("file,label", f"{cell},cat"), pictures(*names))) == [(names[0], "cat")]


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("01.jpg", ("cats/01.jpg", "dogs/01.jpg")),
        ("01", ("01.jpg", "01.png")),
        ("01.Jpg", ("01.JPG", "01.jpg")),
        ("cats/01", ("a/cats/01.jpg", "b/cats/01.jpg")),
    ],
)
def test_a_name_that_two_files_have_is_refused_with_both(cell: str, names: tuple[str, str]) -> None:
    with pytest.raises(DataError) as error:
        scanned(lines("file,label", f"{cell},cat"), pictures(*names))
    first, second = sorted(names)
    sentence = f"labels.csv line 2 names {cell!r}, which may be {first!r} or {second!r}. Write it with its folder"
    assert sentence in str(error.value)


def test_another_picture_of_the_same_stem_is_not_taken_for_one_that_is_missing() -> None:
    with pytest.raises(DataError, match=r"names '01\.jpg', and neither"):
        scanned(lines("file,label", "01.jpg,cat"), pictures("01.png"))


@pytest.mark.parametrize("cell", ["../a.jpg", "x/../../a.jpg", "/../a.jpg", r"..\a.jpg", "../../../etc/passwd"])
def test_a_name_that_leads_out_of_the_folder_is_refused(cell: str) -> None:
    with pytest.raises(
        DataError, match=r"line 3 names .*, which leads out of /data/pictures\. Name the folder above with --images DIR"
    ):
        scanned(lines("file,label", "a.jpg,cat", f"{cell},cat"))


def test_a_table_of_other_images_shows_what_it_wants_and_what_is_there() -> None:
    with pytest.raises(
        DataError,
        match=r"line 2 names 'x\.jpg', and neither this nor any other file of the column 'file' is in /data/pictures; "
        r"there is 'a\.jpg', 'b\.jpg', 'c\.jpg'\. Name the folder of the images with --images DIR",
    ):
        scanned(lines("file,label", "x.jpg,cat", "y.jpg,dog"), allow_missing=True)


def test_a_table_without_any_images_says_so() -> None:
    with pytest.raises(DataError, match=r"is in /data/pictures; there is no file\. Name the folder"):
        scanned(PLAIN, pictures())


def test_rows_without_their_file_are_counted_and_the_first_three_shown() -> None:
    text = lines("file,label", "a.jpg,cat", "v.jpg,cat", "w.jpg,dog", "b.jpg,dog", "x.jpg,dog", "y.jpg,dog")
    with pytest.raises(
        DataError,
        match=r"labels\.csv names 4 files \(of 6\) that are not in /data/pictures: line 3 'v\.jpg', line 4 'w\.jpg', "
        r"line 6 'x\.jpg', \.\.\.\. Add the files, or remove the rows",
    ):
        scanned(text)


def test_rows_without_their_file_may_be_kept_and_to_read_one_says_its_line() -> None:
    text = lines("file,label,split", "a.jpg,cat,train", "v.jpg,dog,train", "b.jpg,dog,test", "/x/../w,cat,test")
    parts = scanned(text, allow_missing=True)
    assert said(parts, "train") == [("a.jpg", "cat"), ("v.jpg", "dog")]
    assert said(parts, "test") == [("b.jpg", "dog"), ("w", "cat")]
    found = parts["test"].images
    assert isinstance(found, Files)
    assert found.read(0) == b"b.jpg"
    assert found.stamp("b.jpg") == Stamp(3, 1)
    assert found.stamp("w") == Stamp(0, 0)
    with pytest.raises(
        DataError,
        match=r"/data/pictures/w is not there, but labels\.csv line 5 names it\. Add the file, or remove the row",
    ):
        found.read(1)


def test_a_missing_file_of_several_rows_is_said_by_the_first() -> None:
    parts = scanned(lines("file,label", "a.jpg,cat", "v.jpg,dog", "v.jpg,dog"), allow_missing=True)
    assert said(parts) == [("a.jpg", "cat"), ("v.jpg", "dog"), ("v.jpg", "dog")]
    with pytest.raises(DataError, match="line 3 names it"):
        parts["all"].images.read(2)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["v.jpg,,1"], r"line 3 has no label\. Fill it in, or remove the row"),
        (["v.jpg,dog,"], r"gives 'v\.jpg' no group\. Give it one of its own"),
        (["v.jpg,dog,2", "v.jpg,cat,2"], r"line 3 says that 'v\.jpg' is 'dog', and line 4 says 'cat'"),
    ],
)
def test_rows_that_are_kept_without_their_file_have_to_be_whole(rows: list[str], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        scanned(lines("file,label,who", "a.jpg,cat,1", *rows), allow_missing=True, group_column="who")


def test_a_row_without_a_file_name_is_refused() -> None:
    with pytest.raises(DataError, match=r"line 3 names no file in the column 'file'\. Fill it in, or remove the row"):
        scanned(lines("file,label", "a.jpg,cat", ",dog"))


def test_two_rows_that_say_the_same_of_a_file_give_it_twice() -> None:
    assert said(scanned(lines("file,label", "a.jpg,cat", "b.jpg,dog", "a,cat"))) == [
        *CATS_AND_DOGS[:2],
        ("a.jpg", "cat"),
    ]


def test_two_rows_that_say_different_things_of_a_file_are_named() -> None:
    with pytest.raises(
        DataError,
        match=r"labels\.csv line 2 says that 'a\.jpg' is 'cat', and line 4 says 'dog'\. Keep one of these rows",
    ):
        scanned(lines("file,label", "a.jpg,cat", "b.jpg,dog", "A.JPG,dog"))


def test_a_file_in_two_splits_is_named() -> None:
    with pytest.raises(DataError, match=r"line 2 says that 'a\.jpg' is 'train', and line 3 says 'test'"):
        scanned(lines("file,label,split", "a.jpg,cat,train", "a.jpg,cat,test"))


@pytest.mark.parametrize("empty", ["", "  ", '""'])
def test_a_row_without_a_label_is_named(empty: str) -> None:
    with pytest.raises(DataError, match=r"labels\.csv line 3 has no label\. Fill it in, or remove the row"):
        scanned(lines("file,label", "a.jpg,cat", f"b.jpg,{empty}", "c.jpg,dog"))


@pytest.mark.parametrize("value", ["null", "NaN", "[]"])
def test_a_row_of_json_without_a_label_is_named(value: str) -> None:
    text = lines('{"image": "a.jpg", "label": 1}', f'{{"image": "b.jpg", "label": {value}}}')
    with pytest.raises(DataError, match=r"line 2 has (no label|the label '\[\]')"):
        scanned(text, origin="a.jsonl")


def test_a_row_that_ends_early_has_no_label() -> None:
    with pytest.raises(DataError, match=r"line 3 has no label"):
        scanned(lines("file,label", "a.jpg,cat", "b.jpg"))


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("cat|dog", r"line 4 has the label 'cat\|dog', which names several classes; foveal tells one class per image"),
        ('"cat, dog"', "line 4 has the label 'cat, dog', which names several classes"),
        ("dog;cat", "line 4 has the label 'dog;cat', which names several classes"),
        (
            "\"['cat', 'dog']\"",
            "line 4 has the label .*, which names several classes; .* Keep the one that matters most",
        ),
    ],
)
def test_a_label_of_several_classes_is_refused(cell: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        scanned(lines("file,label", "a.jpg,cat", "b.jpg,dog", f"c.jpg,{cell}"))


def test_a_list_of_several_labels_in_json_is_refused() -> None:
    text = lines('{"image": "a.jpg", "label": ["cat"]}', '{"image": "b.jpg", "label": ["cat", "dog"]}')
    with pytest.raises(DataError, match=r"line 2 has the label '\[\"cat\", \"dog\"\]', which names several classes"):
        scanned(text, origin="a.jsonl")


@pytest.mark.parametrize("label", ["ca\\nt", "ca\\rt", "\\ud800"])
def test_a_label_that_is_no_line_of_text_is_refused(label: str) -> None:
    with pytest.raises(DataError, match=r"line 1 has the label .*, which is not a line of text\. Is a quote missing\?"):
        scanned(f'{{"image": "a.jpg", "label": "{label}"}}', origin="a.jsonl")


ONE_HOT = {"as ISIC": ("1.0", "0.0"), "whole numbers": ("1", "0"), "words": ("True", "False")}


@pytest.mark.parametrize(("yes", "no"), ONE_HOT.values(), ids=list(ONE_HOT))
def test_columns_with_a_single_one_in_each_row_are_classes(yes: str, no: str) -> None:
    text = lines("image,MEL,NV,BCC", f"a,{no},{yes},{no}", f"b,{yes},{no},{no}", f"c,{no},{no},{yes}")
    parts = scanned(text)
    assert said(parts) == [("a.jpg", "NV"), ("b.jpg", "MEL"), ("c.jpg", "BCC")]
    assert parts["all"].classes == ("BCC", "MEL", "NV")


@pytest.mark.parametrize(("row", "ones"), [("b,1,1,0", "MEL, NV"), ("b,0,0,0", "none"), ("b,1,1,1", "MEL, NV, BCC")])
def test_a_row_with_more_or_less_than_a_single_one_is_named(row: str, ones: str) -> None:
    with pytest.raises(
        DataError,
        match=rf"line 3 has a 1 in {ones} of the columns MEL, NV, BCC; foveal tells one class per image\. .*label_column",
    ):
        scanned(lines("image,MEL,NV,BCC", "a,0,1,0", row))


def test_a_single_column_of_ones_is_a_column_of_classes() -> None:
    assert scanned(lines("image,is_dog", "a,0", "b,1"))["all"].classes == ("0", "1")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"10", "2", "1"}, ("1", "2", "10")),
        ({"b", "a", "C"}, ("C", "a", "b")),
        ({"cat", "10", "9"}, ("9", "10", "cat")),
        ({"01", "1", "2", "0"}, ("0", "01", "1", "2")),
        ({"9" * 5000, "1" * 5001}, ("9" * 5000, "1" * 5001)),
    ],
)
def test_classes_are_in_the_order_of_numbers_then_of_letters(labels: set[str], expected: tuple[str, ...]) -> None:
    assert in_class_order(labels) == expected


@pytest.mark.parametrize("words", [("train", "val", "test"), ("Training", "VALID", "Testing")], ids="/".join)
@pytest.mark.parametrize("column", ["split", "Subset", "set", "partition"])
def test_a_column_of_split_names_divides_the_images(column: str, words: tuple[str, ...]) -> None:
    rows = [f"{name},{label},{words[i % 3]}" for i, (name, label) in enumerate(CATS_AND_DOGS)]
    parts = scanned(lines(f"file,label,{column}", *reversed(rows)))
    assert list(parts) == ["train", "validation", "test"]
    assert said(parts, "train") == [("d.jpg", "dog"), ("a.jpg", "cat")]
    assert said(parts, "validation") == [("b.jpg", "dog")]
    assert said(parts, "test") == [("c.jpg", "cat")]
    assert {images.classes for images in parts.values()} == {("cat", "dog")}
    assert parts["test"].origin == "labels.csv (test)"


def test_a_column_that_is_only_called_like_a_split_divides_nothing() -> None:
    assert said(scanned(lines("file,label,set", "a.jpg,cat,1", "b.jpg,dog,2"))) == CATS_AND_DOGS[:2]


@pytest.mark.parametrize("word", ["unlabelled", ""])
def test_a_word_that_names_no_split_is_refused(word: str) -> None:
    with pytest.raises(
        DataError,
        match=rf"line 3 has '{word}' in the column 'split', which divides .* takes train, .*data\.split_column",
    ):
        scanned(lines("file,label,split", "a.jpg,cat,train", f"b.jpg,dog,{word}"))


def test_a_class_that_only_another_split_has_is_named() -> None:
    text = lines("file,label,split", "a.jpg,cat,train", "b.jpg,dog,train", "c.jpg,wolf,test")
    with pytest.raises(
        DataError,
        match=r"labels\.csv \(test\) has the class 'wolf', which the training images do not have\. .* cat, dog\. Correct",
    ):
        scanned(text)


def test_images_to_test_on_need_no_training_images_only_when_that_is_all_they_are_for() -> None:
    text = lines("file,label,split", "a.jpg,cat,test", "b.jpg,dog,test")
    with pytest.raises(DataError, match=r"labels\.csv has test images but no training images\. Add them"):
        scanned(text)
    assert said(scanned(text, for_testing=True), "test") == CATS_AND_DOGS[:2]


def test_groups_are_those_of_the_column_that_is_named() -> None:
    text = lines("file,label,patient", *(f"{name},{label},p{i // 2}" for i, (name, label) in enumerate(CATS_AND_DOGS)))
    assert scanned(text, group_column="patient")["all"].groups == ("p0", "p0", "p1", "p1")


def test_an_image_without_a_group_is_named() -> None:
    with pytest.raises(DataError, match=r"labels\.csv gives 'b\.jpg' no group\. Give it one of its own, or remove it"):
        scanned(lines("file,label,patient", "a.jpg,cat,1", "b.jpg,dog,"), group_column="patient")


REFUSED = {
    "nothing": (b"", "labels.csv has no rows"),
    "a header": (b"file,label\n", "has no rows below its header. Write one row an image"),
    "blank lines": (b"\n \n\n", "has no rows"),
    "a row too long": (
        lines("file,label", "a.jpg,cat", "b.jpg,dog,brown"),
        "line 3 has 3 cells where the first row has 2",
    ),
    "two columns of one name": (
        lines("file,label,label", "a.jpg,1,2"),
        "has 2 columns called 'label'. Give each its own",
    ),
    "a spreadsheet": (b"PK\x03\x04\x14\x00\x06\x00", "has zero bytes in it, so it is no table in text. Save it as CSV"),
    "UTF-16 without its mark": (PLAIN.encode("utf-16-le"), "has zero bytes in it"),
    "half of UTF-16": (
        b"\xff\xfe" + PLAIN.encode("utf-16-le")[:-1],
        "begins as UTF-16 but is not: .* Save it as UTF-8",
    ),
    "a quote that stays open": (
        lines("file,label", "a.jpg,cat", 'b.jpg,"dog', "c.jpg,cat"),
        "cannot be read from line 3 on: .* Close each quote, and double those within",
    ),
    "a cell that never ends": (
        b'file,label\na.jpg,"' + b"x" * 200_000 + b'"',
        "cannot be read from line 2 on: field larger",
    ),
    "too many columns": (lines(",".join(map(str, range(3000))), "a.jpg"), "has 3000 columns, more than 2000"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_table_is_refused_with_its_reason(content: str | bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        scanned(content)


NO_JSON_LINES = {
    "a list": ('["a.jpg"]', "it is "),
    "a number": ("1", "it is '1'"),
    "half an object": ('{"image": "a.jpg"', "Expecting"),
    "an array over lines": ('[\n{"image": "a.jpg", "label": 1}\n]', "Expecting"),
    "too deep": ("[" * 100_000, "recursion|Expecting"),
    "too deep below": ('{"image": "a.jpg", "label": ' + "[" * 900 + "]" * 900 + "}", "several classes|recursion"),
    "a number too long": ('{"image": "a.jpg", "label": ' + "9" * 5000 + "}", "digits"),
}


@pytest.mark.parametrize(("text", "sentence"), NO_JSON_LINES.values(), ids=list(NO_JSON_LINES))
def test_lines_that_are_no_objects_are_refused_by_number(text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=rf"a\.jsonl line 1 .*({sentence})"):
        scanned(text, origin="a.jsonl")


def test_the_line_of_a_row_counts_the_lines_within_quotes() -> None:
    with pytest.raises(DataError, match="line 5 has no label"):
        scanned(lines("file,label,note", 'a.jpg,cat,"one', "two", 'three"', "b.jpg,,"))


def test_a_real_folder_is_read_through_its_table(tmp_path: Path) -> None:
    for i, name in enumerate(("one.png", "deep/two.PNG")):
        write_picture(tmp_path / name, mnist_digits()[i])
    parts = scanned(lines("id,label", "one,5", f"{tmp_path}/deep/two.png,0"), open_folder(tmp_path))
    assert said(parts) == [("one.png", "5"), ("deep/two.PNG", "0")]
    images = parts["all"].images
    assert not isinstance(images, type(mnist_digits()))
    assert images.tree.read(images.names[1]) == (tmp_path / "deep/two.PNG").read_bytes()
    assert parts["all"].name(0) == str(tmp_path / "one.png")
