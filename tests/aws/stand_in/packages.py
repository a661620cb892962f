"""Model packages: made, tried with a transform job on a real container, and models made of them."""

import threading
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError

from aws.stand_in.checks import check_containers, check_enums, check_role
from aws.stand_in.fleet import Fleet
from aws.stand_in.hosting import Hosting
from aws.stand_in.transform_job import GROUP, JobError, TransformJob


class Package:
    """What was asked for, and how its validation goes."""

    def __init__(self, asked: dict[str, Any], account: str, region: str):
        self.asked = {name: value for name, value in asked.items() if name not in {"Tags", "ClientToken"}}
        self.region = region
        self.arn = f"arn:aws:sagemaker:{region}:{account}:model-package/{asked['ModelPackageName'].lower()}"
        self.profiles = asked.get("ValidationSpecification", {}).get("ValidationProfiles", [])
        self.tried = {
            f"{one['ProfileName']}-Transform": {"Status": "NotStarted", "FailureReason": None} for one in self.profiles
        }
        self.status = "Pending" if self.profiles else "Completed"
        self.creation_time = utcnow()

    @property
    def response_object(self) -> dict[str, Any]:
        """Return the answer to Describe; nobody scans images here, so of scans there is nothing."""
        tried = [{"Name": name, **about} for name, about in self.tried.items()]
        return {
            **self.asked,
            "ModelPackageArn": self.arn,
            "ModelPackageStatus": self.status,
            "ModelPackageStatusDetails": {"ValidationStatuses": tried, "ImageScanStatuses": []},
            "CreationTime": self.creation_time,
        }

    @property
    def model(self) -> dict[str, Any]:
        """Return the model that it makes, as CreateModel would describe it."""
        return {"Containers": self.asked["InferenceSpecification"]["Containers"]}


class Packages:
    """The unversioned packages, by Region and name; those in groups are moto's."""

    def __init__(self, hosting: Hosting, say: Callable[[str], None]):
        self.hosting, self.say = hosting, say
        self.known: dict[tuple[str, str], Package] = {}

    def find(self, region: str, name: str) -> Package | None:
        """Return the package that a name or an ARN names."""
        return self.known.get((region, name.rpartition("/")[2].lower()))

    def take(self, package: Package) -> None:
        """Keep a package, and begin its validation."""
        self.known[package.region, package.asked["ModelPackageName"].lower()] = package
        threading.Thread(target=self.validate, args=(package,), daemon=True).start()

    def forget(self, package: Package) -> None:
        """Keep it no longer."""
        del self.known[package.region, package.asked["ModelPackageName"].lower()]

    def validate(self, package: Package) -> None:
        """Run the transform job of each profile, for what it is worth: a job that ends well is all that is asked."""
        package.status = "InProgress" if package.profiles else package.status
        for about, profile in zip(package.tried.values(), package.profiles, strict=True):
            about["Status"] = "InProgress"
            reason = self.attempt(package, profile)
            about.update(Status="Failed" if reason else "Completed", FailureReason=reason)
        failed = any(about["Status"] == "Failed" for about in package.tried.values())
        package.status = "Failed" if failed else "Completed"

    def attempt(self, package: Package, profile: dict[str, Any]) -> str | None:
        """Return why the job of a profile failed, None if it did not."""
        name = f"{package.asked['ModelPackageName']}-{profile['ProfileName']}"
        asked = {**profile["TransformJobDefinition"], "TransformJobName": name}
        fleet = Fleet(self.hosting.needs(package.region, GROUP), name)
        try:
            job = SimpleNamespace(transform_job_status="InProgress")  # what moto's record would say
            work = TransformJob(job, asked, fleet, self.say)
            work.start(package.model, self.hosting.startup({}))
            work.carry_out()
        except JobError as error:
            return str(error)
        except Exception as error:
            self.say(f"{name}: {traceback.format_exc()}")
            return f"InternalServerError: the stand-in failed: {error!r}"
        finally:
            fleet.stop()
        return None


class PackageOperations:
    """The operations of unversioned packages, for the class that has moto's other ones; `packages` keeps them."""

    packages: Packages

    def create_model_package(self) -> ActionResult:
        """Take a package that could be run, and begin to validate it."""
        asked = self.asked
        if "ModelPackageName" not in asked:
            return super().create_model_package()
        check_enums("CreateModelPackage", asked)
        package = Package(asked, self.current_account, self.region)
        if self.packages.find(self.region, asked["ModelPackageName"]):
            raise ValidationError(message=f'Cannot create already existing model package "{package.arn}".')
        role = asked.get("ValidationSpecification", {}).get("ValidationRole", "")
        if role:
            check_role(role, self.clients)
        check_containers({**package.model, "ExecutionRoleArn": role}, self.clients)
        self.packages.take(package)
        return ActionResult({"ModelPackageArn": package.arn})

    def describe_model_package(self) -> ActionResult:
        """Say how a package is."""
        name = self._get_param("ModelPackageName")
        if package := self.packages.find(self.region, name):
            return ActionResult(package.response_object)
        backend = self.sagemaker_backend
        if name in backend.model_packages or name in backend.model_package_name_mapping:
            return super().describe_model_package()
        raise ValidationError(message=f"ModelPackage {name} does not exist.")

    def delete_model_package(self) -> EmptyResult:
        """Keep a package no longer."""
        package = self.packages.find(self.region, self._get_param("ModelPackageName"))
        if package is None:
            raise ValidationError(message=f"ModelPackage {self._get_param('ModelPackageName')} does not exist.")
        self.packages.forget(package)
        return EmptyResult()

    def with_images(self, model: dict[str, Any]) -> dict[str, Any]:
        """Return a model whose containers name images where it named a package; raise `ValidationError`."""
        name = (model.get("PrimaryContainer") or {}).get("ModelPackageName")
        if name is None:
            return model
        package = self.packages.find(self.region, name)
        if package is None:
            raise ValidationError(message=f"ModelPackage {name} does not exist.")
        if package.status != "Completed":
            raise ValidationError(message=f"The status of {package.arn} is {package.status}; it has to be Completed.")
        if not model.get("EnableNetworkIsolation"):
            raise ValidationError(message="The stand-in for SageMaker runs packages with EnableNetworkIsolation alone.")
        others = {key: value for key, value in model.items() if key != "PrimaryContainer"}
        return {**others, **package.model}
