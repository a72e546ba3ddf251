"""Make the pictures in ``nufftlib/data`` from two public wheels.

    pip download --no-deps nilearn==0.14.1 scikit-image==0.26.0
    python tools/make_data.py nilearn-*.whl scikit_image-*.whl

The same wheels give the same files. ``nufftlib/data/NOTICE.md`` has the copyright notices.
"""

import argparse
import gzip
import io
import zipfile
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

DATA = Path(__file__).resolve().parent.parent / "nufftlib" / "data"
T1 = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
ASTRONAUT = "skimage/data/astronaut.png"
SIZE = 256
SLICE_MM = 18  # through the lateral ventricles, the caudate nuclei and the insulae


def make_brain(nifti: bytes) -> NDArray[np.uint8]:
    """Cut one axial slice and enlarge it until its longer side fills the frame."""
    volume = nibabel.as_closest_canonical(  # type: ignore[no-untyped-call] # nibabel's gap
        nibabel.Nifti1Image.from_bytes(nifti)
    )
    z = round(SLICE_MM - volume.affine[2, 3])
    x_to_right_y_to_front = np.asarray(volume.dataobj)[:, :, z]
    # Rows run from the front to the back of the head, columns from its right to its left.
    picture = np.ascontiguousarray(x_to_right_y_to_front[::-1, ::-1].T)
    height, width = picture.shape
    zoomed = (round(width * SIZE / max(picture.shape)), round(height * SIZE / max(picture.shape)))
    picture = np.asarray(Image.fromarray(picture).resize(zoomed, Image.Resampling.BILINEAR))
    before = [(SIZE - n) // 2 for n in picture.shape]
    after = [SIZE - n - b for n, b in zip(picture.shape, before, strict=True)]
    return np.pad(picture, list(zip(before, after, strict=True)))


def make_astronaut(png: bytes) -> NDArray[np.uint8]:
    """Halve the resolution by 2 x 2 means, as a sensor with larger pixels sees the scene."""
    with Image.open(io.BytesIO(png)) as image:
        return np.moveaxis(np.asarray(image.convert("RGB").reduce(image.width // SIZE)), -1, 0)


def main() -> None:
    """Write both files and say how large they are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("nilearn_wheel", type=Path)
    parser.add_argument("skimage_wheel", type=Path)
    wheels = parser.parse_args()

    with zipfile.ZipFile(wheels.nilearn_wheel) as wheel:
        brain = make_brain(gzip.decompress(wheel.read(T1)))
    with zipfile.ZipFile(wheels.skimage_wheel) as wheel:
        astronaut = make_astronaut(wheel.read(ASTRONAUT))

    for name, pixels in {"brain_t1.npz": brain, "astronaut.npz": astronaut}.items():
        np.savez_compressed(DATA / name, pixels=pixels)
        print(f"{name}: {pixels.dtype} {pixels.shape}, {(DATA / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
