"""The same objects from a real server and from a folder, in turn."""

import tempfile
from pathlib import Path
from statistics import median

from benchmarks.ingest.scratch import andon, fill, scratch
from benchmarks.ingest.shots import pictures, shots
from benchmarks.report import Figure


def s3(scale: float) -> list[Figure]:
    """The same objects from a real server and from a folder, in turn."""
    import boto3

    from tests.services.ceph import gateway

    count = int(2000 * scale)
    with (
        tempfile.TemporaryDirectory() as folder,
        gateway(Path(folder)) as server,
        scratch(640, 480) as (layout, camera),
    ):
        environment = {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": server.access,
            "AWS_SECRET_ACCESS_KEY": server.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        client = boto3.client(
            "s3", endpoint_url=server.url, aws_access_key_id=server.access, aws_secret_access_key=server.secret,
            region_name="us-east-1",
        )  # fmt: skip
        client.create_bucket(Bucket="line")
        files = pictures(camera)
        fill(layout, shots(camera, files, 0, 2))
        fixed = andon(layout, "ingest").seconds
        rates: dict[str, list[float]] = {"folder": [], "S3": []}
        for number in range(4):
            some = shots(camera, files, 10 + number * count, count)
            if number % 2:
                for shot in some:
                    client.put_object(Bucket="line", Key=f"inbox/{shot.key}", Body=shot.content)
                took = andon(layout, "ingest", "--inbox", "s3://line/inbox", **environment).seconds
            else:
                fill(layout, some)
                took = andon(layout, "ingest").seconds
            rates["S3" if number % 2 else "folder"].append(count / took)
    ratio = median(rates["S3"]) / median(rates["folder"])
    return [
        Figure(f"{count} images of 640×480 from a folder", median(rates["folder"]), "images/s"),
        Figure(f"{count} images of 640×480 from S3 (Ceph)", median(rates["S3"]), "images/s"),
        Figure("S3 against folder, fixed start included", ratio, "times", "≥ 0.5", ratio >= 0.5),
        Figure("the first run of that plant, which compiles the network", fixed, "s"),
    ]
