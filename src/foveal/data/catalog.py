"""The table of the data sets that are known by name: what to fetch, what of it to read, whose it is.

Sizes and sha256 of files as they are served are those in the checksum tables of TensorFlow Datasets
(tensorflow_datasets/url_checksums/NAME.txt; svhn_cropped.txt for svhn). Sums of content are of files that people have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class KnownFile:
    """A file to fetch: its bytes as it is served and its checksum (foveal.data.fetch.checksums), None where none is stated.

    A checksum that no source states is recorded when the file is first used, and compared from then on.
    """

    name: str
    size: int | None
    checksum: str | None


@dataclass(frozen=True)
class KnownData:
    """One data set: what to fetch, and what of it to read.

    The files belong in the `subfolder` of the data folder, which data sets of one download share; `places` may have
    them already. `parts` name the files of "train" and "test": among `files`, or inside the one archive that is there.
    `labels` are what stands in those for each of `classes`, where that is not 0, 1, 2...
    """

    title: str
    classes: tuple[str, ...]
    subfolder: str
    files: tuple[KnownFile, ...]
    mirrors: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    licence: str
    citation: str
    layout: Literal["idx", "cifar10", "cifar100", "svhn"] = "idx"
    labels: tuple[int, ...] = ()
    is_transposed: bool = False  # rows and columns of each image are swapped
    places: tuple[Path, ...] = ()

    @property
    def size(self) -> int | None:
        """The bytes to download, None where the table does not know them all."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    @property
    def sha256(self) -> dict[str, str]:
        """Those of the uncompressed content of its files, where the table has them; read_idx compares them."""
        stated = {file.name: (file.checksum or "").partition(":") for file in self.files}
        return {name: digest for name, (kind, _, digest) in stated.items() if kind == "content-sha256"}


def _files(kind: str, *rows: tuple[str, int, str]) -> tuple[KnownFile, ...]:
    return tuple(KnownFile(name, size, f"{kind}:{digest}") for name, size, digest in rows)


IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
IDX_PARTS = {"train": IDX_FILES[:2], "test": IDX_FILES[2:]}
BUNDLED = Path(__file__).parent / "bundled"

DIGITS = tuple("0123456789")
LETTERS = tuple(f"{letter}/{letter.lower()}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Cohen et al. 2017, section II: "the merged classes, as suggested by the NIST, are for the letters C, I, J, K, L, M, O,
# P, S, U, V, W, X, Y and Z". Labels go by the ASCII codes that are left: 36 97, 37 98, 38 100 in the mapping files.
MERGED = (*DIGITS, *(both if both[0] in "CIJKLMOPSUVWXYZ" else both[0] for both in LETTERS), *"abdefghnqrt")
CLOTHING = "T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|Bag|Ankle boot"
# fine_label_names.txt of the archive, as TensorFlow Datasets has it.
CIFAR100 = """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
    motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
    poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
    wardrobe whale willow_tree wolf woman worm"""
CIFAR_MIRRORS = (
    "https://www.cs.toronto.edu/~kriz",
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets",  # as MindSpore's tutorials use it
)


def _emnist(split: str, title: str, classes: tuple[str, ...], labels: tuple[int, ...] = ()) -> KnownData:
    """One of the six splits that lie in one archive. They are transposed: tensorflow.org/datasets/catalog/emnist."""
    return KnownData(
        title=f"{title}, 28x28, grey",
        classes=classes,
        subfolder="emnist",
        files=_files(
            "sha256", ("gzip.zip", 561_753_746, "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e")
        ),
        mirrors=("https://biometrics.nist.gov/cs_links/EMNIST", "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST"),
        parts={
            part: tuple(f"gzip/emnist-{split}-{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
            for part in ("train", "test")
        },
        licence="none stated",
        citation="Cohen, Afshar, Tapson, van Schaik: EMNIST: an extension of MNIST to handwritten letters, 2017",
        labels=labels,
        is_transposed=True,
    )


BALANCED = _emnist("balanced", "131,600 handwritten digits and letters, as many of each of 47 classes", MERGED)

DATASETS: dict[str, KnownData] = {
    "mnist": KnownData(
        title="70,000 handwritten digits, 28x28, grey",
        classes=DIGITS,
        subfolder="mnist",
        # Content: of the files in the box, which are LeCun's packed anew.
        files=_files(
            "content-sha256",
            (IDX_FILES[0], 9_912_422, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            (IDX_FILES[1], 28_881, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            (IDX_FILES[2], 1_648_877, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            (IDX_FILES[3], 4_542, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ),
        parts=IDX_PARTS,
        licence="CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
        citation="LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998",
        places=(BUNDLED / "mnist",),
    ),
    "fashion-mnist": KnownData(
        title="70,000 pieces of clothing, 28x28, grey",
        classes=tuple(CLOTHING.split("|")),
        subfolder="fashion-mnist",
        # Content: of Debian's package dataset-fashion-mnist 0.0~git20200523.55506a9-1, which is packed anew.
        files=_files(
            "content-sha256",
            (IDX_FILES[0], 26_421_880, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            (IDX_FILES[1], 29_515, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            (IDX_FILES[2], 4_422_102, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            (IDX_FILES[3], 5_148, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
        ),
        parts=IDX_PARTS,
        licence="MIT, Zalando SE",
        citation="Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017",
        places=(Path("/usr/share/datasets/fashion-mnist"),),
    ),
    "kmnist": KnownData(
        title="70,000 cursive Japanese characters (Kuzushiji), 28x28, grey",
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        subfolder="kmnist",
        files=_files(
            "sha256",
            (IDX_FILES[0], 18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
            (IDX_FILES[1], 29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
            (IDX_FILES[2], 3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
            (IDX_FILES[3], 5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
        ),
        mirrors=(
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist",
        ),
        parts=IDX_PARTS,
        licence="CC BY-SA 4.0, KMNIST Dataset (CODH), adapted from Kuzushiji Dataset (NIJL and others)",
        citation="Clanuwat et al.: Deep learning for classical Japanese literature, arXiv:1812.01718, 2018",
    ),
    "emnist": replace(BALANCED, title=f"{BALANCED.title}; the same as emnist-balanced"),
    "emnist-balanced": BALANCED,
    "emnist-byclass": _emnist(
        "byclass",
        "814,255 handwritten digits and letters, 62 classes",
        (*DIGITS, *(both[0] for both in LETTERS), *(both[2] for both in LETTERS)),
    ),
    "emnist-bymerge": _emnist("bymerge", "814,255 handwritten digits and letters, 47 classes", MERGED),
    "emnist-letters": _emnist(
        "letters",
        "145,600 handwritten letters, capital and small together",
        LETTERS,
        tuple(range(1, 27)),  # emnist-letters-mapping.txt: 1 65 97, 2 66 98 ... 26 90 122
    ),
    "emnist-digits": _emnist("digits", "280,000 handwritten digits", DIGITS),
    "emnist-mnist": _emnist("mnist", "70,000 handwritten digits, made to be like mnist", DIGITS),
    "cifar10": KnownData(
        title="60,000 photos of animals and vehicles, 32x32, colour",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        subfolder="cifar10",
        files=_files(
            "sha256",
            ("cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
        ),
        mirrors=CIFAR_MIRRORS,
        parts={
            "train": tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
            "test": ("cifar-10-batches-bin/test_batch.bin",),
        },
        licence="none stated",
        citation="Krizhevsky: Learning multiple layers of features from tiny images, 2009",
        layout="cifar10",
    ),
    "cifar100": KnownData(
        title="60,000 photos of 100 kinds of things, 32x32, colour",
        classes=tuple(CIFAR100.split()),
        subfolder="cifar100",
        files=_files(
            "sha256",
            (
                "cifar-100-binary.tar.gz",
                168_513_733,
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            ),
        ),
        mirrors=CIFAR_MIRRORS,
        parts={"train": ("cifar-100-binary/train.bin",), "test": ("cifar-100-binary/test.bin",)},
        licence="none stated",
        citation="Krizhevsky: Learning multiple layers of features from tiny images, 2009",
        layout="cifar100",
    ),
    "svhn": KnownData(
        title="99,289 digits of house numbers, cropped, 32x32, colour",
        classes=DIGITS,
        subfolder="svhn",
        files=_files(
            "sha256",
            ("train_32x32.mat", 182_040_794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
            ("test_32x32.mat", 64_275_384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
        ),
        mirrors=("http://ufldl.stanford.edu/housenumbers", "https://ufldl.stanford.edu/housenumbers"),
        parts={"train": ("train_32x32.mat",), "test": ("test_32x32.mat",)},
        licence="for non-commercial use only",
        citation="Netzer et al.: Reading digits in natural images with unsupervised feature learning, 2011",
        layout="svhn",
        labels=(10, 1, 2, 3, 4, 5, 6, 7, 8, 9),  # "'1' has label 1, '9' has label 9 and '0' has label 10"
    ),
}
